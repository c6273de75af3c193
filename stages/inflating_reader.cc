#include "stages/inflating_reader.h"

#include <algorithm>
#include <utility>

#include "engine/status_macros.h"
#include "stages/gzip_reader.h"
#include "stages/zstd_reader.h"

namespace volstream {

std::unique_ptr<InflatingReader> InflatingReader::For(ByteSpan front, Input input) {
  if (LooksLikeGzip(front)) return std::make_unique<GzipReader>(std::move(input));
  if (LooksLikeZstd(front)) return std::make_unique<ZstdReader>(std::move(input));
  return nullptr;
}

absl::Status InflatingReader::Refill() {
  while (pending_.empty() && !input_ended_) {
    VS_ASSIGN_OR_RETURN(pending_, input_());
    input_ended_ = pending_.empty();
  }
  return absl::OkStatus();
}

bool InflatingReader::PassOverZeros() {
  const auto end =
      std::find_if(pending_.begin(), pending_.end(), [](uint8_t byte) { return byte != 0; });
  const auto zeros = static_cast<size_t>(end - pending_.begin());
  Take(zeros);
  return zeros > 0;
}

}  // namespace volstream
