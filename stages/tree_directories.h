// TreeDirectories: the directories of a tree that is being restored. Opens and makes them, one
// component at a time and through no symlink, and gives them their metadata at the end, the deepest
// first, when nothing is made in them any more.
//
// The descriptors of the last path are kept, so that names in one directory, or near it, cost one
// call each. Memory: about 100 bytes and the path for each directory.
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_TREE_DIRECTORIES_H_
#define VOLSTREAM_STAGES_TREE_DIRECTORIES_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/beneath.h"
#include "stages/file_metadata.h"
#include "stages/open_directory.h"
#include "stages/tree_problems.h"
#include "stages/tree_writer.h"

namespace volstream {

class TreeDirectories {
 public:
  using SharedDirectory = std::shared_ptr<const OpenDirectory>;

  struct Options {
    Overwrite overwrite = Overwrite::kRefuse;
    bool root_is_ours = false;  // it was made for the restore, or was empty
    TreeProblems* problems = nullptr;
    // Waits until nothing is being written under this path.
    std::function<void(std::string_view)> wait_for;
    // Waits until fewer descriptors are held by files that are being written.
    std::function<void()> wait_for_descriptors;
    // Whether something at this path was made by this restore.
    std::function<bool(std::string_view)> is_ours;
  };

  TreeDirectories(UniqueFd root, Options options);

  // The directory `path`, contained, to make names in; made if it is missing. Null if it is kept
  // out or cannot be made: a warning was given, once for all that is below. Errors are final.
  absl::StatusOr<SharedDirectory> Enter(std::string_view path);
  // An entry of the archive: makes the directory and keeps the metadata for Complete. False if it
  // is kept out or cannot be made, as above.
  absl::StatusOr<bool> Make(std::string_view path, FileMetadata metadata);

  // True if `path` was made or used as a directory.
  bool Knows(std::string_view path) const;
  // Removes a known directory, if it is empty and may be replaced: 0 or an errno.
  int Remove(std::string_view path);

  // Gives all directories their metadata. Nothing else may follow.
  void Complete();

  int root_fd() const { return root_->fd(); }
  // Directories that are open, by files that are being written too.
  const std::atomic<int>& open_count() const { return open_count_; }

 private:
  struct Known {
    bool is_ours = false;
    bool inherits = false;                   // as MetadataSubject has it
    std::unique_ptr<FileMetadata> metadata;  // of its entry, if there was one
  };
  struct Level {
    std::string name;
    size_t path_bytes = 0;      // of the path up to here
    SharedDirectory directory;  // null if it was closed to save descriptors
  };
  // Of what directories have beside mode, owner and time, kept until Complete.
  static constexpr uint64_t kMaxExtraBytes = 64 * kMiB;
  using Paths = absl::flat_hash_map<std::string, Known>;

  absl::StatusOr<SharedDirectory> Walk(std::string_view path);
  // Opens a child, or makes it; null if it is kept out.
  absl::StatusOr<SharedDirectory> EnterChild(const SharedDirectory& parent, std::string_view path);
  // Makes a directory where something that is none is. `mtime`: of the directory's entry, null if
  // it has none, and nothing is older then. False if what is there stays.
  absl::StatusOr<bool> ReplaceObstacle(int parent_fd, std::string_view path, mode_t mode,
                                       const timespec* mtime);
  // Invalid, with errno, if that fails.
  UniqueFd OpenChild(int parent_fd, const std::string& name);
  // 0 or an errno; EEXIST for a directory that was there.
  absl::StatusOr<int> MakeChild(int parent_fd, std::string_view path, const timespec& mtime);
  void LetOwnerIn(int parent_fd, const std::string& name) const;
  // From now on nothing is made at or below `path`: a warning, or an error if it is final.
  absl::Status KeepOut(std::string_view path, std::string_view what, int error);
  void CompleteOne(const std::string& path, const Known& known);
  Known* Find(std::string_view path);
  Known& Note(std::string_view path) { return known_[std::string(path)]; }
  void Push(std::string_view path, SharedDirectory directory);
  // Closes what is at or below `path`, which has gone.
  void Cut(std::string_view path);

  const Options options_;
  const size_t max_open_levels_;
  std::atomic<int> open_count_{0};
  const SharedDirectory root_;
  std::vector<Level> chain_;  // of chain_path_, one a component
  std::string chain_path_;
  Paths known_;
  absl::flat_hash_set<std::string> kept_out_;
  uint64_t extra_bytes_ = 0;  // of the metadata that is kept; <= kMaxExtraBytes
  bool completing_ = false;   // nothing is made any more
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TREE_DIRECTORIES_H_
