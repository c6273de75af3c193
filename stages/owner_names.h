// OwnerNames: the numbers that this system has for names of users and groups, each asked for once.
#ifndef VOLSTREAM_STAGES_OWNER_NAMES_H_
#define VOLSTREAM_STAGES_OWNER_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace volstream {

// Threads: one at a time.
class OwnerNames {
 public:
  // Nullopt for a name that is empty or not known here.
  std::optional<uint32_t> UserId(std::string_view name) { return Find(name, false); }
  std::optional<uint32_t> GroupId(std::string_view name) { return Find(name, true); }

 private:
  using Ids = absl::flat_hash_map<std::string, std::optional<uint32_t>>;
  std::optional<uint32_t> Find(std::string_view name, bool group);

  Ids users_;
  Ids groups_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_OWNER_NAMES_H_
