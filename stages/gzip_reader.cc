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

constexpr size_t kOutBytes = 256 * kKiB;
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
    : input_(std::move(input)), inflater_(std::make_unique<Inflater>()), out_(kOutBytes) {}

GzipReader::~GzipReader() = default;

absl::Status GzipReader::Refill() {
  while (pending_.empty() && !input_ended_) {
    VS_ASSIGN_OR_RETURN(pending_, input_());
    input_ended_ = pending_.empty();
  }
  return absl::OkStatus();
}

absl::StatusOr<ByteSpan> GzipReader::Next() {
  z_stream& stream = inflater_->stream;
  stream.next_out = out_.data();
  stream.avail_out = static_cast<uInt>(out_.size());
  while (stream.avail_out > 0) {
    VS_RETURN_IF_ERROR(Refill());
    if (pending_.empty()) {
      if (in_member_) return absl::DataLossError("the gzip stream is cut off");
      break;
    }
    if (!in_member_ && pending_[0] == 0) {
      const auto padding_end =
          std::find_if(pending_.begin(), pending_.end(), [](uint8_t byte) { return byte != 0; });
      pending_ = pending_.subspan(static_cast<size_t>(padding_end - pending_.begin()));
      continue;
    }
    in_member_ = true;
    const uInt offered = static_cast<uInt>(std::min<size_t>(pending_.size(), UINT32_MAX));
    stream.next_in = const_cast<Bytef*>(pending_.data());  // zlib only reads it
    stream.avail_in = offered;
    const int result = inflate(&stream, Z_NO_FLUSH);
    pending_ = pending_.subspan(offered - stream.avail_in);
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
  return ByteSpan(out_).first(out_.size() - stream.avail_out);
}

}  // namespace volstream
