#include "stages/archive_bytes.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/status_macros.h"

namespace volstream {
namespace {

// Small ones, so that a piece of a file that waits to be written keeps little else.
constexpr uint64_t kBufferBytes = 256 * kKiB;

}  // namespace

absl::StatusOr<SharedBytes> ArchiveBytes::Next() {
  if (cancelled_.load()) return absl::CancelledError("cancelled");
  if (chunk_.empty()) {
    VS_ASSIGN_OR_RETURN(chunk_, reader_->Next());
    if (chunk_.empty()) return SharedBytes();
  }
  const ByteSpan bytes = chunk_.first(std::min<size_t>(chunk_.size(), kBufferBytes));
  chunk_ = chunk_.subspan(bytes.size());
  auto owner = std::make_shared<const std::vector<uint8_t>>(bytes.begin(), bytes.end());
  return SharedBytes{*owner, owner};
}

}  // namespace volstream
