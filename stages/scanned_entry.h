// ScannedEntry: one name of a volume as the scan found it. The functions read it from the file
// system, below an open directory and without following a symlink.
//
// Threads: functions without state.
#ifndef VOLSTREAM_STAGES_SCANNED_ENTRY_H_
#define VOLSTREAM_STAGES_SCANNED_ENTRY_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stages/sparse_map.h"

namespace volstream {

class ScanDirectory;

// What stat says of an entry, and what it takes more calls to find out.
struct ScannedEntry {
  std::string name;
  int error = 0;  // errno of stat or readlink; then only `name` is set
  uint16_t mode = 0;
  uint32_t link_count = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t bytes = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t mtime_seconds = 0;
  uint32_t mtime_nanoseconds = 0;
  dev_t device_number = 0;
  bool other_file_system = false;  // with one_file_system: a mount point, which is not entered
  std::string link_target;
  std::string pax_records;                   // see stages/file_attributes.h
  std::vector<std::string> unreadable;       // attributes that could not be read
  bool maybe_sqlite = false;                 // its name, or those beside it, look like a database's
  std::unique_ptr<SparseMap> sparse;         // of a file with holes
  std::shared_ptr<ScanDirectory> directory;  // to be listed; null for all but directories
};

// Fills in what stat says of `name`, and with `sparse` the map of a file with holes; `flags` are
// fstatat's. False, with entry->error, if there is nothing to be had.
bool StatInto(int dir_fd, const char* name, int flags, bool sparse, ScannedEntry* entry);

// Fills in the target of a symlink. What is none any more by now is stat'ed again. False, with
// entry->error, as above.
bool ReadLinkInto(int dir_fd, bool sparse, ScannedEntry* entry);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SCANNED_ENTRY_H_
