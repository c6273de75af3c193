#include "engine/first_error.h"

namespace volstream {

bool FirstError::Set(absl::Status status) {
  if (status.ok()) return false;
  {
    absl::MutexLock lock(&mu_);
    if (!status_.ok()) return false;
    status_ = std::move(status);
    failed_.store(true, std::memory_order_release);
  }
  if (on_first_) on_first_();
  return true;
}

absl::Status FirstError::status() const {
  absl::MutexLock lock(&mu_);
  return status_;
}

}  // namespace volstream
