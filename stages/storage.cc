#include "stages/storage.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"

namespace volstream {

absl::StatusOr<std::vector<ObjectInfo>> Storage::List(std::string_view name_prefix) {
  std::vector<ObjectInfo> objects;
  VS_RETURN_IF_ERROR(ForEach(name_prefix, [&objects](ObjectInfo object) {
    objects.push_back(std::move(object));
    return absl::OkStatus();
  }));
  std::sort(objects.begin(), objects.end(),
            [](const ObjectInfo& a, const ObjectInfo& b) { return a.name < b.name; });
  return objects;
}

absl::Status Storage::Remove(const std::vector<std::string>& names) {
  absl::Status first;
  size_t others = 0;
  VS_RETURN_IF_ERROR(
      RemoveEach(names, [&first, &others](const std::string&, const absl::Status& reason) {
        if (first.ok()) {
          first = reason;
        } else {
          ++others;
        }
      }));
  if (others == 0) return first;
  return WithContext(first, absl::StrCat("this and ", others, " more could not be removed"));
}

}  // namespace volstream
