#include "stages/rate_limit.h"

#include <algorithm>

#include "engine/bytes.h"
#include "engine/check.h"

namespace volstream {
namespace {

// Of a second. Short enough that a link does not see bursts, long enough for few calls.
constexpr double kDepth = 1.0 / 8;
// Large enough for a TLS record and for few system calls.
constexpr double kLargestPiece = 16 * kKiB;

}  // namespace

RateLimit::RateLimit(uint64_t bytes_per_second)
    : rate_(static_cast<double>(bytes_per_second)),
      depth_(std::max(1.0, rate_ * kDepth)),
      piece_(std::min(kLargestPiece, depth_)) {
  VS_CHECK(bytes_per_second > 0);
}

RateLimit::Grant RateLimit::Take(size_t wanted, TimePoint now) {
  if (wanted == 0) return {};
  MutexLock lock(&mu_);
  if (now > filled_at_) {
    const double seconds = std::chrono::duration<double>(now - filled_at_).count();
    saved_ = std::min(depth_, saved_ + seconds * rate_);
    filled_at_ = now;
  }
  const double least = std::min(piece_, static_cast<double>(wanted));
  if (saved_ < least) return {0, absl::Seconds((least - saved_) / rate_)};
  const size_t bytes = std::min(wanted, static_cast<size_t>(saved_));
  saved_ -= static_cast<double>(bytes);
  return {bytes, absl::ZeroDuration()};
}

}  // namespace volstream
