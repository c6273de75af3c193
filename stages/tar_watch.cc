#include "stages/tar_watch.h"

#include <algorithm>

#include "engine/status_macros.h"

namespace volstream {

absl::Status TarWatch::Feed(ByteSpan bytes) {
  while (!bytes.empty()) {
    VS_ASSIGN_OR_RETURN(const size_t taken, Take(bytes));
    bytes_ += taken;
    bytes = bytes.subspan(taken);
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> TarWatch::Take(ByteSpan bytes) {
  if (data_left_ > 0) return TakeData(bytes);
  if (parser_.wants() == TarParser::Wants::kRest) {
    VS_RETURN_IF_ERROR(parser_.OnRest(bytes));
    return bytes.size();
  }
  if (parser_.wants() == TarParser::Wants::kExtension) {
    const size_t taken =
        static_cast<size_t>(std::min<uint64_t>(bytes.size(), parser_.extension_left()));
    VS_RETURN_IF_ERROR(parser_.OnExtension(bytes.first(taken)));
    return taken;
  }
  if (block_bytes_ == 0 && bytes.size() >= kTarBlockBytes) {
    VS_RETURN_IF_ERROR(OnBlock(bytes.first(kTarBlockBytes)));
    return kTarBlockBytes;
  }
  const size_t taken = std::min(bytes.size(), kTarBlockBytes - block_bytes_);
  std::copy_n(bytes.begin(), taken, block_.begin() + block_bytes_);
  block_bytes_ += taken;
  if (block_bytes_ < kTarBlockBytes) return taken;
  block_bytes_ = 0;
  VS_RETURN_IF_ERROR(OnBlock(block_));
  return taken;
}

size_t TarWatch::TakeData(ByteSpan bytes) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(data_left_, bytes.size()));
  if (start_left_ > 0) {
    const size_t count = std::min(taken, start_left_);
    std::copy_n(bytes.begin(), count, start_.end() - static_cast<ptrdiff_t>(start_left_));
    start_left_ -= count;
    if (start_left_ == 0 && IsSqliteHeader(start_)) ++sqlite_files_;
  }
  data_left_ -= taken;
  return taken;
}

absl::Status TarWatch::OnBlock(ByteSpan block) {
  if (parser_.wants() == TarParser::Wants::kPeek) {
    parser_.OnPeek(block);
    VS_RETURN_IF_ERROR(OnEntry());
    if (data_left_ > 0) {
      data_left_ -= kTarBlockBytes;  // this block is its first
      return absl::OkStatus();
    }
  }
  VS_RETURN_IF_ERROR(parser_.OnBlock(block));
  return parser_.wants() == TarParser::Wants::kEntry ? OnEntry() : absl::OkStatus();
}

absl::Status TarWatch::OnEntry() {
  const RestoreEntry& entry = parser_.entry();
  const EntryPlace& place = parser_.place();
  ++entries_;
  data_left_ = TarPadded(place.stored_bytes);
  // A shorter file's padding is no part of it.
  start_left_ =
      entry.type == TarType::kFile && place.stored_bytes >= start_.size() ? start_.size() : 0;
  if (visit_) VS_RETURN_IF_ERROR(visit_(entry, place, entry.sparse));
  parser_.PassEntry();
  return absl::OkStatus();
}

absl::Status TarWatch::Finish() const {
  // With data still to come, the parser is ahead of the stream.
  if (data_left_ == 0) return parser_.OnEnd(block_bytes_, false);
  return absl::DataLossError(absl::StrCat("the tar stream ended at byte ", bytes_,
                                          ", before its end mark: it was cut short"));
}

}  // namespace volstream
