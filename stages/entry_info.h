// EntryInfo: what an archive says of one entry, whoever says it: the tar itself, the index, or a
// directory that is compared with them.
#ifndef VOLSTREAM_STAGES_ENTRY_INFO_H_
#define VOLSTREAM_STAGES_ENTRY_INFO_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "stages/tar_header.h"

namespace volstream {

struct EntryInfo {
  TarType type = TarType::kFile;
  // As the archive has it, without "./" in front and '/' at the end; the root's is empty. Nothing
  // is said of its safety: who writes to disk must refuse "..", absolute paths and the like.
  std::string path;
  // A symlink's text; of a hard link the path, as above, of the entry that carries the data.
  std::string link_target;
  uint32_t mode = 0;  // permission bits, set-id bits and sticky
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t bytes = 0;  // of the file's content, holes included; 0 unless a file
  int64_t mtime_seconds = 0;
  uint32_t mtime_nanoseconds = 0;

  friend bool operator==(const EntryInfo&, const EntryInfo&) = default;
};

// Where an entry lies in the tar stream, in bytes.
struct EntryPlace {
  uint64_t tar_offset = 0;    // of the first header that belongs to it, pax headers included
  uint64_t header_bytes = 0;  // of all its headers
  uint64_t stored_bytes = 0;  // of its data, without padding: of a file with holes, what is stored

  uint64_t data_offset() const { return tar_offset + header_bytes; }
  uint64_t end_offset() const { return data_offset() + TarPadded(stored_bytes); }

  friend bool operator==(const EntryPlace&, const EntryPlace&) = default;
};

// An entry with all that is needed to make it anew.
struct RestoreEntry : EntryInfo {
  std::string user_name;  // empty where the archive has none
  std::string group_name;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  // Extended attributes, names as the kernel has them.
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string access_acl;  // text, as "user::rw-,user:1000:r--,..."; empty if there is none
  std::string default_acl;
  bool sparse = false;  // what no data comes for are holes
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENTRY_INFO_H_
