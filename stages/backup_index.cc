#include "stages/backup_index.h"

#include <optional>
#include <utility>

#include "stages/plan_index.h"

namespace volstream {

std::unique_ptr<IndexWriter> NewIndexWriter(const VolumePlan* plan, const TarSource* source,
                                            ArchiveFormat format) {
  auto entries = std::make_shared<std::optional<PlanIndex>>();
  return std::make_unique<IndexWriter>(IndexedStream::kOwnTar, format, MaxIndexBytes(*plan),
                                       [=](IndexedEntry* entry) {
                                         if (!entries->has_value())
                                           entries->emplace(plan, source->LeftOut());
                                         return (*entries)->Next(entry);
                                       });
}

std::unique_ptr<IndexWriter> NewIndexWriter(ByteStream* stream, bool is_tar, ArchiveFormat format) {
  auto index = std::make_unique<IndexWriter>(
      is_tar ? IndexedStream::kForeignTar : IndexedStream::kRaw, format, /*max_bytes=*/0, nullptr);
  if (!is_tar) return index;
  stream->VisitEntries(
      [writer = index.get()](const EntryInfo& info, const EntryPlace& place, bool sparse) {
        IndexedEntry entry;
        static_cast<EntryInfo&>(entry) = info;
        entry.place = place;
        entry.sparse = sparse;
        return writer->Add(std::move(entry));
      });
  return index;
}

}  // namespace volstream
