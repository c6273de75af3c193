#include "stages/range_input.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/status_macros.h"

namespace volstream {
namespace {

RangeReaderOptions RangesOf(const ArchiveFile& file, const RangeInputOptions& options) {
  // Files on disk are read ahead by the kernel; more readers only get in each other's way.
  constexpr int kLocalConnections = 2;
  RangeReaderOptions ranges;
  ranges.connections = std::max(1, options.connections);
  if (file.storage()->kind() == StorageKind::kLocal) {
    ranges.connections = std::min(ranges.connections, kLocalConnections);
  }
  const uint64_t buffers = static_cast<uint64_t>(ranges.connections) + 1;
  ranges.range_bytes = static_cast<size_t>(
      std::clamp<uint64_t>(options.memory_bytes / buffers, 64 * kKiB, ranges.range_bytes));
  ranges.first_range_bytes = std::min(ranges.first_range_bytes, ranges.range_bytes);
  return ranges;
}

}  // namespace

RangeInput::RangeInput(ArchiveFile* file, RangeInputOptions options)
    : reader_(file, {ReadExtent{0, file->bytes()}}, RangesOf(*file, options)) {
  if (options.want_md5) md5_.emplace();
}

absl::StatusOr<SharedBytes> RangeInput::Next() {
  auto piece = std::make_shared<std::vector<uint8_t>>(kPieceBytes);
  VS_ASSIGN_OR_RETURN(const size_t bytes, reader_.Read(*piece));
  const ByteSpan span = ByteSpan(*piece).first(bytes);
  if (md5_.has_value()) md5_->Update(span);
  return SharedBytes{span, std::move(piece)};
}

std::string RangeInput::FinishMd5() { return md5_.has_value() ? ToHex(md5_->Finish()) : ""; }

InflatedInput::InflatedInput(ArchiveFile* file, RangeInputOptions options) : raw_(file, options) {}

absl::StatusOr<SharedBytes> InflatedInput::Next() {
  if (inflater_ == nullptr) {
    VS_ASSIGN_OR_RETURN(piece_, raw_.Next());
    inflater_ = InflatingReader::For(piece_.bytes, [this]() -> absl::StatusOr<ByteSpan> {
      if (!std::exchange(first_taken_, true)) return piece_.bytes;
      VS_ASSIGN_OR_RETURN(piece_, raw_.Next());
      return piece_.bytes;
    });
    if (inflater_ == nullptr) {
      if (piece_.bytes.empty()) return SharedBytes();
      return absl::DataLossError("it is neither gzip nor Zstandard, or its first bytes are lost");
    }
  }
  VS_ASSIGN_OR_RETURN(const ByteSpan bytes, inflater_->Next());
  return CopyOf(bytes);
}

}  // namespace volstream
