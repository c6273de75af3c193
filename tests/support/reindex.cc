#include "tests/support/reindex.h"

#include <memory>

#include "engine/check.h"
#include "stages/archive_index.h"
#include "stages/index_writer.h"
#include "tests/support/fake_storage.h"

namespace volstream {

std::string Reindex(const std::string& archive, const std::function<void(IndexTables*)>& change) {
  FakeStorage storage;
  storage.Set("a", archive);
  const auto file = ArchiveFile::Open(&storage, "a");
  VS_CHECK(file.ok());
  const auto index = ArchiveIndex::Open(file->get());
  VS_CHECK(index.ok());
  IndexTables tables;
  VS_CHECK((*index)
               ->ForEach([&](const IndexedEntry& entry) {
                 tables.entries.push_back(entry);
                 return absl::OkStatus();
               })
               .ok());
  VS_CHECK((*index)
               ->ForEachMember([&](const MemberExtent& member) {
                 tables.members.push_back(member);
                 return absl::OkStatus();
               })
               .ok());
  change(&tables);

  IndexWriter writer(IndexedStream::kOwnTar, (*index)->footer().format, 0, nullptr);
  uint64_t tar_offset = 0;
  for (IndexedEntry& entry : tables.entries) {
    entry.place.tar_offset = tar_offset;
    tar_offset = entry.place.end_offset();
    VS_CHECK(writer.Add(entry).ok());
  }
  BlockRecord record;
  for (const MemberExtent& member : tables.members) {
    record.source_bytes = member.tar_bytes;
    record.encoded_bytes = member.archive_bytes;
    // Only how many there are is looked at.
    const ByteSpan bytes(static_cast<const uint8_t*>(nullptr), member.archive_bytes);
    VS_CHECK(writer.OnBlock(record, bytes).ok());
    record.source_offset += record.source_bytes;
    record.encoded_offset += record.encoded_bytes;
  }
  std::string out = archive.substr(0, (*index)->footer().index_offset);
  std::vector<uint8_t> piece(kMiB);
  while (true) {
    const absl::StatusOr<size_t> bytes = writer.Next(out.size(), piece);
    VS_CHECK(bytes.ok());
    if (*bytes == 0) return out;
    out.append(reinterpret_cast<const char*>(piece.data()), *bytes);
  }
}

}  // namespace volstream
