// Trees of files for round-trip tests: one that is made from a seed, a snapshot of what is there,
// and a comparison that says in words what differs.
#ifndef VOLSTREAM_TESTS_SUPPORT_TREE_H_
#define VOLSTREAM_TESTS_SUPPORT_TREE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace volstream {

// A fresh directory, removed with all that is in it. Others may enter it (mode 0755), so that a
// command run as another user can.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

struct TreeOptions {
  uint64_t seed = 1;
  // Adds files of random bytes, 3 MiB each, so that the archive is at least this large.
  uint64_t incompressible_bytes = 0;
  // Adds what plain ustar headers cannot say: longer names and link targets, names that are not
  // UTF-8, large user ids, times before 1970.
  bool beyond_ustar = true;
  // Adds a directory without write permission that holds a file.
  bool read_only_directory = true;
  // Adds what the file system and the user's rights allow of: files with holes, one of more than
  // 8 GiB; extended attributes, capabilities and ACLs; FIFOs and device nodes; hard links to what
  // is no file; a cache directory; the longest link target.
  bool rare_files = false;
};

// Fills the directory `path` (made if it is not there): nested and empty directories; files of 0,
// 1, 511, 512, 513 bytes and around 1 MiB; text and random bytes; names with spaces, newlines and
// other bytes; symlinks (relative, absolute, dangling, long); hard links; setuid, sticky and
// read-only modes; mtimes before 1970, in the future and with nanoseconds; other owners when run as
// root. The same seed gives the same tree.
void MakeTree(const std::string& path, const TreeOptions& options = {});

// The rare_files of MakeTree alone.
void MakeRareFiles(const std::string& path);

// A file of `bytes` that has random data in these ranges (offset, bytes) and holes elsewhere.
void WriteSparseFile(const std::string& path, uint64_t bytes,
                     const std::vector<std::pair<uint64_t, uint64_t>>& data);

// Bytes from a seed that no compressor shrinks.
std::string RandomBytes(uint64_t seed, size_t count);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view contents, unsigned mode = 0644);
bool Exists(const std::string& path);  // of the name itself, dangling links included
// Names in a directory, sorted, dot-files included.
std::vector<std::string> NamesIn(const std::string& path);

struct TreeNode {
  char type = '?';  // as ls writes it: - d l p c b s
  unsigned mode = 0;
  unsigned uid = 0;
  unsigned gid = 0;
  uint64_t size = 0;  // files only
  int64_t mtime_ns = 0;
  std::string link_target;  // symlinks only
  std::string linked_to;    // hard links: the first name of the group, for all its names
  // Files only: of every 4 KiB that are not all zeros, with their place, so that a hole and zeros
  // are the same.
  std::string md5;
  // Files only: where data lie, as SEEK_DATA and SEEK_HOLE have it (offset, bytes).
  std::vector<std::pair<uint64_t, uint64_t>> data;
  uint64_t allocated_bytes = 0;                   // files only
  uint64_t device = 0;                            // device nodes only: their number
  std::map<std::string, std::string> attributes;  // extended ones, ACLs as the kernel has them
};

// By path relative to the root, which is "." itself.
using Tree = std::map<std::string, TreeNode>;
Tree SnapshotTree(const std::string& path);

// What a reader cannot give back is not compared.
struct DiffOptions {
  int64_t mtime_tolerance_ns = 0;
  bool root_mtime = true;
  bool directory_mtimes = true;  // the root's included
  bool symlink_mtimes = true;
  bool symlink_owners = true;
  bool modes = true;
  bool holes = true;
  bool attributes = true;
  std::set<std::string> other_attributes;  // names that are not compared
};

// One line for each difference (at most 20); empty if the trees are equal.
std::string DiffTrees(const Tree& expected, const Tree& actual, const DiffOptions& options = {});

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TREE_H_
