// ArchiveListing: the entries of an archive, from its index; of an archive that has none (made
// elsewhere, or by an older volstream), from the archive itself, read to its end each time.
//
// Threads: one at a time. Memory: as ArchiveIndex, or as EntrySource.
#ifndef VOLSTREAM_STAGES_ARCHIVE_LISTING_H_
#define VOLSTREAM_STAGES_ARCHIVE_LISTING_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/archive_index.h"
#include "stages/entry_info.h"
#include "stages/entry_reader.h"
#include "stages/event_log.h"

namespace volstream {

class ArchiveListing {
 public:
  // As of ArchiveIndex: StopVisiting() ends the walk, which is OK then.
  using Visitor = std::function<absl::Status(const EntryInfo& entry)>;

  // The file must outlive it. The log, which may be empty, is told where there is no index.
  // kFailedPrecondition for a stream that is no tar.
  static absl::StatusOr<std::unique_ptr<ArchiveListing>> Open(ArchiveFile* file, EventLog log);

  // Whether the entries come in the order of ComparePaths, each path once.
  bool sorted() const { return index_ != nullptr && index_->footer().own_tar; }
  // Null where there is none.
  ArchiveIndex* index() const { return index_.get(); }
  ArchiveFile* file() const { return file_; }

  // The entries at and below each of `roots` (PathSelection::Roots), in the order of the tar; those
  // of an archive that is not sorted may be others as well.
  // The file must not change meanwhile.
  absl::Status ForEach(const std::vector<std::string>& roots, const Visitor& visit);
  // Hands over the reader with each entry, which may be asked for the entry's content. REQUIRES:
  // there is no index.
  using ReaderVisitor = std::function<absl::Status(const RestoreEntry& entry, EntryReader* reader)>;
  absl::Status ReadThrough(const ReaderVisitor& visit);

 private:
  ArchiveListing(ArchiveFile* file, EventLog log, std::unique_ptr<ArchiveIndex> index)
      : file_(file), log_(std::move(log)), index_(std::move(index)) {}

  ArchiveFile* const file_;
  const EventLog log_;
  const std::unique_ptr<ArchiveIndex> index_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_LISTING_H_
