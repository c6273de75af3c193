// ArchiveListing: the entries of an archive, from its index.
//
// Threads: one at a time. Memory: as ArchiveIndex.
#ifndef VOLSTREAM_STAGES_ARCHIVE_LISTING_H_
#define VOLSTREAM_STAGES_ARCHIVE_LISTING_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/archive_index.h"
#include "stages/entry_info.h"

namespace volstream {

class ArchiveListing {
 public:
  // As of ArchiveIndex: StopVisiting() ends the walk, which is OK then.
  using Visitor = std::function<absl::Status(const EntryInfo& entry)>;

  // The file must outlive it. kFailedPrecondition for a stream that is no tar, and for an archive
  // without an index.
  static absl::StatusOr<std::unique_ptr<ArchiveListing>> Open(ArchiveFile* file);

  // Whether the entries come in the order of ComparePaths, each path once.
  bool sorted() const { return index_->footer().own_tar; }
  ArchiveIndex* index() const { return index_.get(); }
  ArchiveFile* file() const { return file_; }

  // The entries at and below each of `roots` (PathSelection::Roots), in the order of the tar; those
  // of an archive that is not sorted may be others as well.
  absl::Status ForEach(const std::vector<std::string>& roots, const Visitor& visit);

 private:
  ArchiveListing(ArchiveFile* file, std::unique_ptr<ArchiveIndex> index)
      : file_(file), index_(std::move(index)) {}

  ArchiveFile* const file_;
  const std::unique_ptr<ArchiveIndex> index_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_LISTING_H_
