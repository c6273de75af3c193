#include "stages/rate_limit.h"

#include <algorithm>

#include "engine/bytes.h"
#include "engine/check.h"

namespace volstream {
namespace {

// What may be saved up. Short enough that a link does not see bursts.
constexpr std::chrono::milliseconds kDepth(125);
// A piece takes about this part of a second, so that many senders each move on often; but it is no
// smaller than a TLS record where the rate allows for it, which keeps system calls few.
constexpr double kPiecesPerSecond = 100;
constexpr double kSmallestPiece = 16 * kKiB;

size_t PieceOf(double rate) {
  const double depth = rate * std::chrono::duration<double>(kDepth).count();
  return static_cast<size_t>(
      std::max(1.0, std::min(depth, std::max(kSmallestPiece, rate / kPiecesPerSecond))));
}

}  // namespace

RateLimit::RateLimit(uint64_t bytes_per_second)
    : rate_(static_cast<double>(bytes_per_second)), piece_(PieceOf(rate_)) {
  VS_CHECK(bytes_per_second > 0);
}

RateLimit::Grant RateLimit::Take(size_t wanted, TimePoint now, Ticket* ticket) {
  if (wanted == 0) return {};
  if (ticket->bytes == 0) {
    MutexLock lock(&mu_);
    ticket->at = std::max(free_at_, now - kDepth);
    ticket->bytes = std::min(wanted, piece_);
    const std::chrono::duration<double> takes(static_cast<double>(ticket->bytes) / rate_);
    free_at_ = ticket->at + std::chrono::duration_cast<TimePoint::duration>(takes);
  }
  if (ticket->at > now) return {0, absl::FromChrono(ticket->at - now)};
  const size_t bytes = std::min(wanted, ticket->bytes);
  ticket->bytes = 0;
  return {bytes, absl::ZeroDuration()};
}

}  // namespace volstream
