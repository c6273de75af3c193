#include "stages/member_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/xxh3.h"

namespace volstream {
namespace {

uint64_t BytesOf(const std::vector<ReadExtent>& extents) {
  uint64_t bytes = 0;
  for (const ReadExtent& extent : extents) bytes += extent.bytes;
  return bytes;
}

}  // namespace

MemberSource::MemberSource(RangeReader* reader, const MemberFraming& framing,
                           const std::vector<ReadExtent>& extents, MemberSourceOptions options)
    : reader_(reader),
      framing_(framing),
      extents_(JoinExtents(extents)),
      total_bytes_(BytesOf(extents_)),
      member_offset_(extents_.empty() ? 0 : extents_.front().offset),
      xxh3_(options.want_xxh3 ? std::make_unique<Xxh3Stream>() : nullptr) {
  if (options.want_md5) md5_.emplace();
}

MemberSource::~MemberSource() = default;

absl::Status MemberSource::Damaged(std::string_view what) const {
  return absl::DataLossError(absl::StrCat("at offset ", member_offset_, ": ", ToAbsl(what)));
}

absl::Status MemberSource::CheckLeft(uint64_t bytes) const {
  const uint64_t left = extents_[extent_].end() - member_offset_;
  if (bytes <= left) return absl::OkStatus();
  return Damaged(
      absl::StrFormat("the member is cut off: %d of its %d bytes are there", left, bytes));
}

absl::Status MemberSource::Read(MutableByteSpan out) {
  VS_ASSIGN_OR_RETURN(const size_t read, reader_->Read(out));
  if (read != out.size()) return Damaged("the archive ended while it was read");
  if (xxh3_ != nullptr) xxh3_->Update(out);
  if (md5_.has_value()) md5_->Update(out);
  have_ += read;
  return absl::OkStatus();
}

absl::Status MemberSource::Extend(size_t bytes, MutableByteSpan space) {
  if (have_ >= bytes) return absl::OkStatus();
  VS_RETURN_IF_ERROR(CheckLeft(bytes));
  return Read(space.subspan(have_, bytes - have_));
}

absl::Status MemberSource::PassOver(uint64_t bytes, MutableByteSpan space) {
  VS_RETURN_IF_ERROR(CheckLeft(bytes));
  while (have_ < bytes) {
    VS_RETURN_IF_ERROR(Read(space.first(std::min<uint64_t>(bytes - have_, space.size()))));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> MemberSource::ReadMember(MutableByteSpan space) {
  while (true) {
    const MemberFront front = framing_.Look(space.first(have_));
    switch (front.kind) {
      case MemberFront::Kind::kMore:
        VS_RETURN_IF_ERROR(Extend(front.bytes, space));
        break;
      case MemberFront::Kind::kNone:
        return Damaged(front.problem);
      case MemberFront::Kind::kEmpty:
        VS_RETURN_IF_ERROR(PassOver(front.bytes, space));
        return 0;
      case MemberFront::Kind::kData:
        if (front.bytes > space.size()) {
          return Damaged(absl::StrFormat(
              "the member says that it has %d bytes, more than any has in this archive (%d)",
              front.bytes, space.size()));
        }
        VS_RETURN_IF_ERROR(Extend(front.bytes, space));
        return front.bytes;
    }
  }
}

absl::StatusOr<BlockTicket> MemberSource::Next(MutableByteSpan space) {
  VS_CHECK(space.size() >= kMaxIndexMemberBytes);
  while (extent_ < extents_.size()) {
    have_ = 0;
    VS_ASSIGN_OR_RETURN(const size_t bytes, ReadMember(space));
    const BlockTicket ticket{member_offset_, bytes, true};
    member_offset_ += have_;
    if (member_offset_ == extents_[extent_].end() && ++extent_ < extents_.size()) {
      member_offset_ = extents_[extent_].offset;
    }
    if (bytes > 0) return ticket;
  }
  if (md5_.has_value() && md5_hex_.empty()) md5_hex_ = ToHex(md5_->Finish());
  return BlockTicket{member_offset_, 0, true};
}

absl::StatusOr<size_t> MemberSource::Fill(const BlockTicket& /*ticket*/,
                                          MutableByteSpan /*space*/) {
  return absl::InternalError("blocks of members are filled as they are found");
}

std::string MemberSource::xxh3() const { return xxh3_ == nullptr ? "" : xxh3_->Hex(); }

}  // namespace volstream
