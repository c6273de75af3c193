#include "stages/gzip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"

namespace volstream {
namespace {

constexpr int kGzipAlone = 15 + 16;  // zlib's code for a 32 KiB window and a gzip wrapper

}  // namespace

bool LooksLikeGzip(ByteSpan bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

struct GzipReader::Inflater {
  z_stream stream{};
  Inflater() { VS_CHECK(inflateInit2(&stream, kGzipAlone) == Z_OK); }
  ~Inflater() { inflateEnd(&stream); }
};

GzipReader::GzipReader(Input input)
    : InflatingReader(std::move(input)), inflater_(std::make_unique<Inflater>()) {}

GzipReader::~GzipReader() = default;

absl::StatusOr<ByteSpan> GzipReader::Next() {
  z_stream& stream = inflater_->stream;
  stream.next_out = space().data();
  stream.avail_out = static_cast<uInt>(space().size());
  while (stream.avail_out > 0) {
    VS_RETURN_IF_ERROR(Refill());
    if (pending().empty()) {
      if (in_member_) return absl::DataLossError("the gzip stream is cut off");
      break;
    }
    if (!in_member_ && PassOverZeros()) continue;
    in_member_ = true;
    const uInt offered = static_cast<uInt>(std::min<size_t>(pending().size(), UINT32_MAX));
    stream.next_in = const_cast<Bytef*>(pending().data());  // zlib only reads it
    stream.avail_in = offered;
    const int result = inflate(&stream, Z_NO_FLUSH);
    Take(offered - stream.avail_in);
    if (result == Z_STREAM_END) {
      in_member_ = false;
      VS_CHECK(inflateReset(&stream) == Z_OK);
    } else if (result == Z_MEM_ERROR) {
      return absl::ResourceExhaustedError("no memory to inflate");
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return absl::DataLossError(
          absl::StrCat("damaged gzip data: ", stream.msg == nullptr ? "no gzip" : stream.msg));
    }
  }
  return ByteSpan(space()).first(space().size() - stream.avail_out);
}

}  // namespace volstream
