#include "stages/salvage_input.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/status_macros.h"
#include "stages/member_input.h"

namespace volstream {
namespace {

constexpr int kConnections = 3;
constexpr size_t kRangeBytes = 4 * kMiB;
// How far the window is filled where nothing asks for more.
constexpr size_t kStrideBytes = kMiB;
}  // namespace

SalvageInput::SalvageInput(ArchiveFile* file, ArchiveFormat format,
                           std::vector<MemberExtent> extents)
    : file_(file),
      extents_(std::move(extents)),
      end_(file->bytes()),
      framing_(MemberFraming::Of(format)),
      reader_(file, {{0, end_}}, {kConnections, kMiB, kRangeBytes}),
      codec_(framing_.MakeInflater(kMaxMemberTarBytes)) {}

absl::StatusOr<ArchiveFormat> SalvageInput::FormatOf(ArchiveFile* file) {
  VS_ASSIGN_OR_RETURN(const std::optional<ArchiveFormat> format, MemberInput::FormatOf(file));
  if (format.has_value()) return *format;
  return std::string_view(file->name()).ends_with(FormatSuffix(ArchiveFormat::kZstd))
             ? ArchiveFormat::kZstd
             : ArchiveFormat::kGzip;
}

bool SalvageInput::HasStart(ByteSpan in) const {
  const ByteSpan start = framing_.start();
  return in.size() >= start.size() && std::equal(start.begin(), start.end(), in.begin());
}

absl::StatusOr<ByteSpan> SalvageInput::Peek(uint64_t offset, size_t bytes) {
  if (offset >= end_) return ByteSpan();
  bytes = static_cast<size_t>(std::min<uint64_t>(bytes, end_ - offset));
  while (window_offset_ + window_.size() < offset + bytes) {
    // Only what lies before position_ is never asked for again.
    const uint64_t done = std::min<uint64_t>(position_ - window_offset_, window_.size());
    window_.erase(window_.begin(), window_.begin() + static_cast<ptrdiff_t>(done));
    window_offset_ += done;
    const uint64_t window_end = window_offset_ + window_.size();
    const uint64_t more =
        std::min(std::max<uint64_t>(offset + bytes - window_end, kStrideBytes), end_ - window_end);
    const size_t have = window_.size();
    window_.resize(have + static_cast<size_t>(more));
    VS_ASSIGN_OR_RETURN(const size_t read, reader_.Read(MutableByteSpan(window_).subspan(have)));
    if (read != more) return absl::DataLossError(file_->Url() + " became shorter as it was read");
  }
  return ByteSpan(window_).subspan(static_cast<size_t>(offset - window_offset_), bytes);
}

absl::StatusOr<std::optional<MemberInfo>> SalvageInput::HeaderAt(uint64_t offset) {
  VS_ASSIGN_OR_RETURN(const ByteSpan in, Peek(offset, framing_.header_bytes()));
  if (!HasStart(in)) return std::nullopt;
  const MemberFront front = framing_.Look(in);
  if (front.kind != MemberFront::Kind::kData || front.bytes > 2 * kMaxMemberTarBytes ||
      front.info.source_bytes > kMaxMemberTarBytes || front.bytes > end_ - offset) {
    return std::nullopt;
  }
  return front.info;
}

absl::StatusOr<bool> SalvageInput::IsBorder(uint64_t offset) {
  if (offset == end_) return true;
  VS_ASSIGN_OR_RETURN(const ByteSpan in, Peek(offset, framing_.start().size()));
  return HasStart(in) || framing_.IsIndexStart(in);
}

absl::StatusOr<uint64_t> SalvageInput::EmptyAt(uint64_t offset) {
  VS_ASSIGN_OR_RETURN(const ByteSpan in, Peek(offset, kMaxIndexMemberBytes));
  const MemberFront front = framing_.Look(in);
  if (front.kind != MemberFront::Kind::kEmpty || front.bytes > in.size()) return 0;
  if (framing_.IsIndexStart(in)) return front.bytes;
  VS_ASSIGN_OR_RETURN(const bool border, IsBorder(offset + front.bytes));
  return border ? front.bytes : 0;
}

std::optional<SharedBytes> SalvageInput::Inflate(ByteSpan member, uint64_t tar_bytes) {
  std::shared_ptr<uint8_t[]> data = std::make_shared_for_overwrite<uint8_t[]>(tar_bytes);
  const MutableByteSpan out(data.get(), tar_bytes);
  const absl::StatusOr<EncodedBlock> block = codec_->Encode(member, out);
  if (!block.ok() || block->bytes != tar_bytes) return std::nullopt;
  return SharedBytes{out, std::move(data)};
}

absl::StatusOr<bool> SalvageInput::CannotLieInAMember(uint64_t offset, uint64_t member_bytes) {
  uint64_t next = offset + member_bytes;
  while (next - offset <= framing_.most_kept_in_a_row()) {
    VS_ASSIGN_OR_RETURN(const bool border, IsBorder(next));
    if (!border) return false;
    VS_ASSIGN_OR_RETURN(const std::optional<MemberInfo> info, HeaderAt(next));
    // The end, the index, or a member that does not fit: that is no proof.
    if (!info.has_value()) {
      VS_ASSIGN_OR_RETURN(const ByteSpan in, Peek(next, framing_.start().size()));
      return !HasStart(in);
    }
    next += info->member_bytes;
  }
  // The first member alone is known to be whole; of the others only the borders are.
  return next == offset + member_bytes ? true : IsBorder(next);
}

void SalvageInput::CloseGap(uint64_t end) {
  if (!gap_.has_value()) return;
  SalvageItem item;
  item.kind = SalvageItem::Kind::kGap;
  item.archive_offset = gap_->begin;
  item.archive_bytes = end - gap_->begin;
  item.tar_offset = tar_offset_;
  item.tar_bytes = gap_->tar_bytes;
  if (tar_offset_.has_value() && gap_->tar_bytes.has_value()) {
    *tar_offset_ += *gap_->tar_bytes;
  } else {
    tar_offset_.reset();
  }
  gap_.reset();
  found_.push_back(std::move(item));
}

void SalvageInput::Found(uint64_t archive_bytes, SharedBytes content) {
  SalvageItem item;
  item.kind = SalvageItem::Kind::kBytes;
  item.archive_offset = position_;
  item.archive_bytes = archive_bytes;
  item.tar_offset = tar_offset_;
  item.tar_bytes = content.bytes.size();
  if (tar_offset_.has_value()) *tar_offset_ += content.bytes.size();
  item.content = std::move(content);
  position_ += archive_bytes;
  found_.push_back(std::move(item));
}

absl::Status SalvageInput::StepByExtents() {
  if (next_extent_ == extents_.size()) {
    CloseGap(position_);
    position_ = end_;
    return absl::OkStatus();
  }
  const MemberExtent& extent = extents_[next_extent_++];
  if (extent.archive_offset < position_) {
    return absl::DataLossError(file_->Url() + ": the members that its index names overlap");
  }
  position_ = extent.archive_offset;
  // No sound index speaks of larger ones.
  const uint64_t member_bytes = std::min<uint64_t>(extent.archive_bytes, 2 * kMaxMemberTarBytes);
  VS_ASSIGN_OR_RETURN(const ByteSpan member, Peek(position_, static_cast<size_t>(member_bytes)));
  std::optional<SharedBytes> content;
  if (member.size() == extent.archive_bytes && extent.tar_bytes <= kMaxMemberTarBytes) {
    content = Inflate(member, extent.tar_bytes);
  }
  if (content.has_value()) {
    CloseGap(position_);
    Found(extent.archive_bytes, *std::move(content));
    return absl::OkStatus();
  }
  if (!gap_.has_value()) gap_ = Gap{position_, 0};
  *gap_->tar_bytes += extent.tar_bytes;
  position_ = std::min(end_, position_ + extent.archive_bytes);
  return absl::OkStatus();
}

absl::Status SalvageInput::Step() {
  VS_ASSIGN_OR_RETURN(const std::optional<MemberInfo> info, HeaderAt(position_));
  if (info.has_value()) {
    VS_ASSIGN_OR_RETURN(const ByteSpan member, Peek(position_, info->member_bytes));
    std::optional<SharedBytes> content = Inflate(member, info->source_bytes);
    if (content.has_value()) {
      CloseGap(position_);
      Found(info->member_bytes, *std::move(content));
      return absl::OkStatus();
    }
  } else {
    VS_ASSIGN_OR_RETURN(const uint64_t empty_bytes, EmptyAt(position_));
    if (empty_bytes > 0) {
      CloseGap(position_);
      position_ += empty_bytes;
      return absl::OkStatus();
    }
  }
  return StepOverDamage(info);
}

absl::Status SalvageInput::StepOverDamage(const std::optional<MemberInfo>& info) {
  if (!gap_.has_value()) gap_ = Gap{position_, 0};
  if (info.has_value()) {
    VS_ASSIGN_OR_RETURN(const bool border, IsBorder(position_ + info->member_bytes));
    if (border) {
      // What it held is known if both places that say so agree: one may be what is damaged.
      VS_ASSIGN_OR_RETURN(const ByteSpan member, Peek(position_, info->member_bytes));
      if (framing_.OtherLength(member) != info->source_bytes) gap_->tar_bytes.reset();
      if (gap_->tar_bytes.has_value()) *gap_->tar_bytes += info->source_bytes;
      position_ += info->member_bytes;
      return absl::OkStatus();
    }
  }
  gap_->tar_bytes.reset();
  ++position_;
  return Search();
}

absl::Status SalvageInput::Search() {
  const ByteSpan start = framing_.start();
  while (position_ < end_) {
    VS_ASSIGN_OR_RETURN(const ByteSpan in, Peek(position_, kStrideBytes));
    const auto found = std::search(in.begin(), in.end(), start.begin(), start.end());
    if (found == in.end()) {
      if (position_ + in.size() == end_) break;
      // The header may lie across the end of what was searched.
      position_ += in.size() - start.size() + 1;
      continue;
    }
    position_ += static_cast<uint64_t>(found - in.begin());
    VS_ASSIGN_OR_RETURN(const std::optional<MemberInfo> info, HeaderAt(position_));
    if (info.has_value()) {
      VS_ASSIGN_OR_RETURN(const ByteSpan member, Peek(position_, info->member_bytes));
      if (Inflate(member, info->source_bytes).has_value()) {
        VS_ASSIGN_OR_RETURN(const bool believed, CannotLieInAMember(position_, info->member_bytes));
        // Step inflates it again, and closes the gap.
        if (believed) return absl::OkStatus();
      }
    }
    ++position_;
  }
  position_ = end_;
  return absl::OkStatus();
}

absl::StatusOr<SalvageItem> SalvageInput::Next() {
  while (found_.empty()) {
    if (position_ >= end_) {
      CloseGap(end_);
      if (found_.empty()) return SalvageItem();
      break;
    }
    VS_RETURN_IF_ERROR(extents_.empty() ? Step() : StepByExtents());
  }
  SalvageItem item = std::move(found_.front());
  found_.pop_front();
  return item;
}

}  // namespace volstream
