#include "engine/first_error.h"
#include "engine/mutex.h"

namespace volstream {

bool FirstError::Set(absl::Status status) {
  if (status.ok()) return false;
  {
    MutexLock lock(&mu_);
    if (!status_.ok()) return false;
    status_ = std::move(status);
    failed_.store(true, std::memory_order_release);
  }
  if (on_first_) on_first_();
  return true;
}

absl::Status FirstError::status() const {
  MutexLock lock(&mu_);
  return status_;
}

}  // namespace volstream
