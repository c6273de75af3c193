// FileMetadata: owner, mode, attributes, ACLs and time of an entry, ready to be given to what was
// made for it. Sources: chown(2), xattr(7), capabilities(7), acl(5).
//
// Order: the owner first, which takes set-id bits and capabilities away; attributes while the mode
// still lets the owner write; the mode; ACLs, which have the last word on the group's part of the
// mode (libarchive gives it as the ACL's group entry has it, not as the mask); the time, which all
// before may change.
#ifndef VOLSTREAM_STAGES_FILE_METADATA_H_
#define VOLSTREAM_STAGES_FILE_METADATA_H_

#include <sys/types.h>
#include <time.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stages/entry_info.h"
#include "stages/owner_names.h"
#include "stages/tree_writer.h"

namespace volstream {

// What few entries have.
struct FileExtras {
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string access_acl;  // as the kernel has it; empty if there is none
  std::string default_acl;
  std::string problems;  // found in the entry itself

  uint64_t bytes() const;
};

struct FileMetadata {
  bool set_owner = false;
  bool owner_is_own = false;  // what this process makes has that owner
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;  // with set-id bits and sticky
  timespec mtime{};
  std::unique_ptr<const FileExtras> extras;  // often null

  // Of the memory that the extras take.
  uint64_t extra_bytes() const { return extras == nullptr ? 0 : extras->bytes(); }
};

// What is to get the metadata.
struct MetadataSubject {
  bool is_new = false;       // made by this process just now
  bool inherits = false;     // its directory may have handed a group or an ACL down
  bool mode_is_set = false;  // made with this mode, and nothing changes it
};

// Makes FileMetadata of entries for the user that restores. Threads: one at a time.
class MetadataMaker {
 public:
  explicit MetadataMaker(Owners owners);
  FileMetadata Make(const RestoreEntry& entry);

 private:
  const Owners owners_;
  const uid_t own_uid_;
  const gid_t own_gid_;
  OwnerNames names_;
};

// Whether a new file can be made with its mode at once, as nothing of what follows needs another.
bool CanBeMadeWithMode(const FileMetadata& metadata, bool inherits, mode_t umask);

// The process's umask, read without changing it; 0777 where that cannot be read.
mode_t ReadUmask();

// Gives an open file or directory its metadata. Returns what could not be given, for people, empty
// if all was. Threads: safe for concurrent calls.
std::string ApplyMetadata(int fd, const FileMetadata& metadata, const MetadataSubject& subject);

// The same by name, for what cannot be opened (symlinks, FIFOs, nodes), never following a symlink.
// A symlink has no mode.
std::string ApplyMetadataAt(int directory_fd, const std::string& name, const FileMetadata& metadata,
                            const MetadataSubject& subject, bool is_symlink);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_FILE_METADATA_H_
