#include "stages/owner_names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include "stages/absl_text.h"

namespace volstream {
namespace {

// A group may have very many members.
constexpr size_t kMaxBufferBytes = size_t{16} << 20;

// getpwnam_r and getgrnam_r: the same but for the record and the member that is wanted.
template <typename Record, typename Call, typename Id>
std::optional<uint32_t> Ask(const std::string& name, Call call, Id Record::*id) {
  std::string buffer(4096, '\0');
  while (true) {
    Record record{};
    Record* found = nullptr;
    const int error = call(name.c_str(), &record, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < kMaxBufferBytes) {
      buffer.resize(4 * buffer.size());
      continue;
    }
    if (error == EINTR) continue;
    if (found == nullptr) return std::nullopt;
    return found->*id;
  }
}

}  // namespace

std::optional<uint32_t> OwnerNames::Find(std::string_view name, bool group) {
  if (name.empty()) return std::nullopt;
  Ids& ids = group ? groups_ : users_;
  const auto found = ids.find(ToAbsl(name));
  if (found != ids.end()) return found->second;
  const std::string text(name);
  const std::optional<uint32_t> id = group ? Ask<struct group>(text, getgrnam_r, &group::gr_gid)
                                           : Ask<passwd>(text, getpwnam_r, &passwd::pw_uid);
  ids.emplace(text, id);
  return id;
}

}  // namespace volstream
