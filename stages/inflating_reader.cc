#include "stages/inflating_reader.h"

#include <utility>

#include "stages/gzip_reader.h"
#include "stages/zstd_reader.h"

namespace volstream {

std::unique_ptr<InflatingReader> InflatingReader::For(ByteSpan front, Input input) {
  if (LooksLikeGzip(front)) return std::make_unique<GzipReader>(std::move(input));
  if (LooksLikeZstd(front)) return std::make_unique<ZstdReader>(std::move(input));
  return nullptr;
}

}  // namespace volstream
