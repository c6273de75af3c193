#include "stages/storage_lock.h"

#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

constexpr std::string_view kLockSuffix = ".volstream-lock";

}  // namespace

std::string LockNameOf(std::string_view stem) { return std::string(stem).append(kLockSuffix); }

std::string_view StemOfLock(std::string_view name) {
  if (!name.ends_with(kLockSuffix)) return "";
  name.remove_suffix(kLockSuffix.size());
  return name;
}

absl::Status LockHeldError(const LockInfo& lock, std::string_view destination) {
  std::string text =
      absl::StrCat("another run is at work on ", lock.stem, " at ", ToAbsl(destination), ": ");
  absl::StrAppend(&text, lock.owner.id.empty() ? "its lock cannot be read" : lock.owner.ToString());
  if (lock.expires != absl::InfiniteFuture()) {
    absl::StrAppend(&text, ", and its lock holds until ",
                    absl::FormatTime("%H:%M:%S UTC", lock.expires, absl::UTCTimeZone()),
                    " unless it is renewed; wait for it, or if that run is dead: volstream unlock ",
                    ToAbsl(destination), " --name ", lock.stem);
  } else {
    absl::StrAppend(&text, "; wait for it, or end that process");
  }
  return MakeError(ErrorKind::kBusy, absl::StatusCode::kFailedPrecondition, text);
}

}  // namespace volstream
