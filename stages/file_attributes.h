// Extended attributes, POSIX ACLs and file capabilities of a file, as pax records in the form that
// GNU tar (--xattrs --acls) and libarchive read and write:
//   SCHILY.xattr.NAME     the value's bytes; '%' and '=' in NAME as %25 and %3D, as GNU tar has it
//   SCHILY.acl.access     the access ACL as text, with numbers for users and groups
//   SCHILY.acl.default    the default ACL of a directory
// Sources: xattr(7), acl(5), linux/posix_acl_xattr.h; star's "SCHILY" keywords (star(5)).
//
// Threads: functions without state.
#ifndef VOLSTREAM_STAGES_FILE_ATTRIBUTES_H_
#define VOLSTREAM_STAGES_FILE_ATTRIBUTES_H_

#include <string>
#include <vector>

#include "stages/acl_text.h"

namespace volstream {

struct FileAttributes {
  std::string pax_records;  // sorted by attribute name; empty if there are none
  // Attributes that are there and could not be read, each with the reason.
  std::vector<std::string> unreadable;
};

// Of the file that `path` names; a symlink at its end is not followed. A file system without
// attributes, and a file that is gone, have none.
FileAttributes ReadFileAttributes(const std::string& path);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_FILE_ATTRIBUTES_H_
