// EntrySource: the entries of an archive by the best way there is to read it.
//
//   with an index, some of it wanted    just the members that hold it (stages/selected_tar.h)
//   with an index, nothing written      the index alone (a dry run)
//   members that say how long they are  all of it, inflated on all cores (stages/member_input.h)
//   anything else                       libarchive, from its beginning
//   (stages/foreign_tar_reader.h)
#ifndef VOLSTREAM_STAGES_ENTRY_SOURCE_H_
#define VOLSTREAM_STAGES_ENTRY_SOURCE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/archive_index.h"
#include "stages/entry_reader.h"
#include "stages/member_input.h"
#include "stages/path_selection.h"
#include "stages/range_input.h"

namespace volstream {

struct ReadOptions {
  uint64_t memory_bytes = 256 * kMiB;  // of all buffers together
  int workers = 0;                     // that inflate; 0 = one a core
  int connections = 8;                 // reads at a time
  // All of the archive will be read, and its digest is wanted.
  bool want_digest = false;
  // Names, types and sizes are enough: no content will be asked for.
  bool names_only = false;
  // Hears of entries that cannot be read in full, and of an index that is of no use; may be empty.
  std::function<void(std::string_view)> on_warning;
};

// The same for members. The index, which may be null, says how large they are.
MemberInputOptions MemberOptionsOf(const ReadOptions& options, const ArchiveIndex* index = nullptr);

// Threads: one at a time.
class EntrySource {
 public:
  // Entries that are not selected may come as well. The file must outlive it.
  static absl::StatusOr<std::unique_ptr<EntrySource>> Open(ArchiveFile* file,
                                                           const PathSelection& selection,
                                                           const ReadOptions& options);

  EntryReader* entries() const { return entries_.get(); }
  // After the end, if asked for, where all of the archive was read: its XXH3, or its MD5 where it
  // has no members, as the receipt has them. Empty otherwise.
  std::string archive_xxh3() const { return members_ == nullptr ? "" : members_->archive_xxh3(); }
  std::string FinishMd5() { return ranges_ == nullptr ? "" : ranges_->FinishMd5(); }

 private:
  EntrySource() = default;

  std::unique_ptr<ArchiveIndex> index_;  // null without one
  std::unique_ptr<TarInput> input_;
  MemberInput* members_ = nullptr;  // input_, where it is that
  RangeInput* ranges_ = nullptr;    // the same
  std::unique_ptr<EntryReader> entries_;
};

// The uncompressed bytes of an archive of volstream, or of any gzip or Zstandard file.
class InflatedSource {
 public:
  // The file must outlive it.
  static absl::StatusOr<std::unique_ptr<InflatedSource>> Open(ArchiveFile* file,
                                                              const ReadOptions& options);

  TarInput* input() const { return input_.get(); }
  // As of EntrySource.
  std::string archive_xxh3() const { return members_ == nullptr ? "" : members_->archive_xxh3(); }
  std::string FinishMd5() { return ranges_ == nullptr ? "" : ranges_->FinishMd5(); }

 private:
  std::unique_ptr<TarInput> input_;
  MemberInput* members_ = nullptr;
  InflatedInput* ranges_ = nullptr;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENTRY_SOURCE_H_
