// The text of POSIX ACLs, as it stands in archives, and the values that the kernel has for it in
// system.posix_acl_access and system.posix_acl_default. Sources: acl(5), linux/posix_acl_xattr.h.
//
// Threads: functions without state.
#ifndef VOLSTREAM_STAGES_ACL_TEXT_H_
#define VOLSTREAM_STAGES_ACL_TEXT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/bytes.h"

namespace volstream {

// The ACL's text, "user::rw-,user:1000:r--,...", from the value of system.posix_acl_access or
// _default; empty if it is not of the version that Linux has (2) or is cut off.
std::string AclText(ByteSpan value);

// The number of a user or group whom an ACL names; nullopt for one who is not known.
using AclIdOf = std::function<std::optional<uint32_t>(std::string_view name, bool group)>;

// The inverse: the value of system.posix_acl_access or _default, in the order that the kernel
// wants, from text as this file, GNU tar, star and libarchive write it: "user:NAME:rwx:ID" too,
// entries apart by commas or newlines, with "default:" in front or not. Of a name and a number the
// name counts where `id_of` knows it. A mask that is missing and needed is what all the named
// may. Empty where the text is none, or has a name that is not known.
std::string AclValue(std::string_view text, const AclIdOf& id_of);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ACL_TEXT_H_
