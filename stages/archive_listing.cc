#include "stages/archive_listing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<ArchiveListing>> ArchiveListing::Open(ArchiveFile* file) {
  absl::StatusOr<std::unique_ptr<ArchiveIndex>> index = ArchiveIndex::Open(file);
  if (absl::IsNotFound(index.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(file->Url(), " has no index: restore it to see what is in it"));
  }
  if (!index.ok()) return index.status();
  if ((*index)->footer().raw) {
    return absl::FailedPreconditionError(
        absl::StrCat(file->Url(), " is a stream that is no tar and has no entries: `volstream ",
                     "restore` gives it back as one file"));
  }
  return std::unique_ptr<ArchiveListing>(new ArchiveListing(file, *std::move(index)));
}

absl::Status ArchiveListing::ForEach(const std::vector<std::string>& roots, const Visitor& visit) {
  const auto hand_on = [&visit](const IndexedEntry& entry) { return visit(entry); };
  if (!sorted()) return index_->ForEach(hand_on);
  bool stopped = false;
  for (const std::string& root : roots) {
    VS_RETURN_IF_ERROR(index_->ForEachUnder(root, [&](const IndexedEntry& entry) {
      const absl::Status status = visit(entry);
      stopped = !status.ok();
      return status;
    }));
    if (stopped) break;
  }
  return absl::OkStatus();
}

}  // namespace volstream
