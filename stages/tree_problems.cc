#include "stages/tree_problems.h"

#include <errno.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/local_file.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// As a person knows it: the root by a dot.
std::string NameOf(std::string_view path) { return path.empty() ? "." : PrintablePath(path); }

}  // namespace

void TreeProblems::Warn(std::string_view path, std::string_view what) {
  warnings_.fetch_add(1, std::memory_order_relaxed);
  if (!on_warning_) return;
  const std::string text = NameOf(path).append(": ").append(what);
  MutexLock lock(&mu_);
  on_warning_(text);
}

void TreeProblems::NotRestored(std::string_view path, std::string_view why) {
  NotRestored();
  Warn(path, std::string("not restored: ").append(why));
}

absl::Status TreeProblems::Failed(std::string_view path, std::string_view what, int error) {
  if (IsFinal(error)) return Final(path, what, error);
  NotRestored(path, absl::StrCat(ToAbsl(what), " it: ", strerrordesc_np(error)));
  return absl::OkStatus();
}

bool TreeProblems::IsFinal(int error) {
  return error == ENOSPC || error == EDQUOT || error == EROFS;
}

absl::Status TreeProblems::Final(std::string_view path, std::string_view what, int error) const {
  return FileError(error, absl::StrCat(ToAbsl(what), " ", target_, "/", PrintablePath(path)));
}

}  // namespace volstream
