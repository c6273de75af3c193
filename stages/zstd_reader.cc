#include "stages/zstd_reader.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

constexpr int kMaxWindowLog = 27;

}  // namespace

bool LooksLikeZstd(ByteSpan bytes) {
  if (bytes.size() < sizeof(uint32_t)) return false;
  const uint32_t magic = GetLittleEndian<uint32_t>(bytes.data());
  return magic == ZSTD_MAGICNUMBER ||
         (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

struct ZstdReader::Inflater {
  ZSTD_DCtx* const context = ZSTD_createDCtx();
  Inflater() {
    VS_CHECK(context != nullptr);
    VS_CHECK(ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kMaxWindowLog)) ==
             0);
  }
  ~Inflater() { ZSTD_freeDCtx(context); }
};

ZstdReader::ZstdReader(Input input)
    : InflatingReader(std::move(input)), inflater_(std::make_unique<Inflater>()) {}

ZstdReader::~ZstdReader() = default;

absl::StatusOr<ByteSpan> ZstdReader::Next() {
  ZSTD_outBuffer out{space().data(), space().size(), 0};
  while (out.pos < out.size) {
    VS_RETURN_IF_ERROR(Refill());
    if (pending().empty() && !in_frame_) break;
    if (!in_frame_ && PassOverZeros()) continue;
    // At the end of the input, a call without any gives what the context still keeps.
    ZSTD_inBuffer in{pending().data(), pending().size(), 0};
    const size_t before = out.pos;
    const size_t result = ZSTD_decompressStream(inflater_->context, &out, &in);
    Take(in.pos);
    if (ZSTD_isError(result) != 0) {
      switch (ZSTD_getErrorCode(result)) {
        case ZSTD_error_memory_allocation:
          return absl::ResourceExhaustedError("no memory to inflate");
        case ZSTD_error_frameParameter_windowTooLarge:
          return absl::ResourceExhaustedError(
              "it was compressed with a window of more than 128 MiB: inflate it first, with "
              "`zstd -d --long=31`");
        default:
          return absl::DataLossError(
              absl::StrCat("damaged Zstandard data: ", ZSTD_getErrorName(result)));
      }
    }
    in_frame_ = result != 0;
    if (in_frame_ && input_ended() && in.size == 0 && out.pos == before) {
      return absl::DataLossError("the Zstandard stream is cut off");
    }
  }
  return ByteSpan(space()).first(out.pos);
}

}  // namespace volstream
