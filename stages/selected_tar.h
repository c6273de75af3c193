// SelectedTar: the pieces of an archive's tar that hold the selected entries, read by the index and
// no more than they need.
//
// A hard link whose file is not selected cannot be made from its own entry, which has no data. With
// `borrow` the file's entry is read too.
//
// Memory: 24 bytes for each run of entries that lie one behind the other, and what MemberInput
// takes. Threads: as TarInput. Errors: as ArchiveIndex and MemberInput.
#ifndef VOLSTREAM_STAGES_SELECTED_TAR_H_
#define VOLSTREAM_STAGES_SELECTED_TAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/archive_index.h"
#include "stages/entry_reader.h"
#include "stages/member_input.h"
#include "stages/path_selection.h"

namespace volstream {

class SelectedTar : public TarInput {
 public:
  // Entries that lie one behind the other in the tar.
  struct Range {
    uint64_t begin = 0;  // in the tar
    uint64_t end = 0;
    uint64_t entries = 0;
  };

  // Begins to fetch, and notes which patterns select something. The index must outlive it.
  // `options.runs`, the format and the sizes of members are set here.
  static absl::StatusOr<std::unique_ptr<SelectedTar>> Open(ArchiveIndex* index,
                                                           PathSelection* selection, bool borrow,
                                                           MemberInputOptions options);
  // The same of ranges that are known: rising, each within the tar and not empty.
  static absl::StatusOr<std::unique_ptr<SelectedTar>> OpenRanges(ArchiveIndex* index,
                                                                 std::vector<Range> ranges,
                                                                 MemberInputOptions options);

  const std::vector<Range>& ranges() const { return ranges_; }
  // Files that are read for the sake of a link alone, by path, with the first link to each.
  const std::map<std::string, std::string, std::less<>>& borrowed() const { return borrowed_; }

  // Goes on to the next range; false after the last. What is left of the one before is passed over.
  bool NextRange();
  // The next bytes of the range; empty at its end.
  absl::StatusOr<SharedBytes> Next() override;
  void Cancel() override {
    if (input_ != nullptr) input_->Cancel();
  }

 private:
  // A run of members, as pieces of the tar.
  struct Run {
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  SelectedTar() = default;
  absl::Status Select(ArchiveIndex* index, PathSelection* selection, bool borrow);
  absl::Status Fetch(ArchiveIndex* index, MemberInputOptions options);
  absl::Status FindRuns(ArchiveIndex* index, std::vector<MemberRun>* members);

  std::vector<Range> ranges_;  // rising
  std::map<std::string, std::string, std::less<>> borrowed_;
  std::vector<Run> runs_;  // rising; each range lies within one
  std::unique_ptr<MemberInput> input_;
  size_t next_range_ = 0;
  size_t run_ = 0;
  uint64_t position_ = 0;  // in the tar, of what comes next from pending_
  SharedBytes pending_;
};

// The entries of those pieces. Entries that the index did not promise are ErrorKind::kIntegrity.
// A link to a file that is not selected comes as the file itself; further links to that one link to
// the first.
absl::StatusOr<std::unique_ptr<EntryReader>> ReadSelectedEntries(
    ArchiveIndex* index, PathSelection selection, MemberInputOptions options,
    std::function<void(std::string_view)> on_warning);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SELECTED_TAR_H_
