#include "stages/destination_check.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace volstream {

absl::Status CheckDestinationsDiffer(const std::vector<Storage*>& storages) {
  std::set<std::string> seen;
  for (const Storage* storage : storages) {
    std::string place = storage->Url();
    if (storage->kind() == StorageKind::kLocal) {
      std::error_code error;
      const std::filesystem::path canonical =
          std::filesystem::weakly_canonical(std::filesystem::absolute(place), error);
      if (!error) place = canonical.string();
    }
    if (!seen.insert(place).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("destination ", storage->Url(), " is given twice: leave one out"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckApart(const std::string& source_path, const Storage& storage) {
  if (storage.kind() != StorageKind::kLocal) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::path source = std::filesystem::canonical(source_path, error);
  if (error) return absl::OkStatus();  // the plan says what is wrong with the source
  const std::filesystem::path target =
      std::filesystem::weakly_canonical(std::filesystem::absolute(storage.Url()), error);
  if (error) return absl::OkStatus();  // Check() says so
  const auto [source_end, target_end] =
      std::mismatch(source.begin(), source.end(), target.begin(), target.end());
  if (source_end == source.end()) {
    return absl::FailedPreconditionError(absl::StrCat("destination ", storage.Url(),
                                                      " lies inside the source ", source_path,
                                                      ": choose a directory outside of it"));
  }
  if (target_end == target.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("source ", source_path, " lies inside the destination ", storage.Url(),
                     ": choose a directory that holds backups alone"));
  }
  return absl::OkStatus();
}

}  // namespace volstream
