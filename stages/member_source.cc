#include "stages/member_source.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/gzip_member.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

constexpr size_t kFixedBytes = 12;  // up to and with XLEN
constexpr uint8_t kFlagExtra = 4;
// Behind the extra field of a member of the index: an empty deflate block and a trailer of zeros.
constexpr uint8_t kEmptyBody[] = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static_assert(kFixedBytes + 65535 + sizeof(kEmptyBody) == kMaxIndexMemberBytes);

size_t ExtraBytes(ByteSpan in) { return GetLittleEndian<uint16_t>(&in[10]); }

bool IsMemberStart(ByteSpan in) {
  return in.size() >= kFixedBytes && in[0] == 0x1f && in[1] == 0x8b && in[2] == 8;
}

uint64_t BytesOf(const std::vector<ReadExtent>& extents) {
  uint64_t bytes = 0;
  for (const ReadExtent& extent : extents) bytes += extent.bytes;
  return bytes;
}

}  // namespace

std::optional<size_t> IndexMemberBytes(ByteSpan in) {
  if (!IsMemberStart(in) || in[3] != kFlagExtra) return std::nullopt;
  const size_t extra_bytes = ExtraBytes(in);
  if (in.size() < kFixedBytes + extra_bytes + sizeof(kEmptyBody)) return std::nullopt;
  const ByteSpan extra = in.subspan(kFixedBytes, extra_bytes);
  if (extra.size() < 4 || extra[0] != 'V' || (extra[1] != 'I' && extra[1] != 'F')) {
    return std::nullopt;
  }
  const ByteSpan body = in.subspan(kFixedBytes + extra_bytes, sizeof(kEmptyBody));
  if (!std::equal(body.begin(), body.end(), kEmptyBody)) return std::nullopt;
  return kFixedBytes + extra_bytes + sizeof(kEmptyBody);
}

struct MemberSource::Xxh3 {
  XXH3_state_t* const state = XXH3_createState();
  Xxh3() { VS_CHECK(state != nullptr && XXH3_64bits_reset(state) == XXH_OK); }
  ~Xxh3() { XXH3_freeState(state); }
};

MemberSource::MemberSource(RangeReader* reader, const std::vector<ReadExtent>& extents,
                           MemberSourceOptions options)
    : reader_(reader),
      extents_(JoinExtents(extents)),
      total_bytes_(BytesOf(extents_)),
      member_offset_(extents_.empty() ? 0 : extents_.front().offset),
      xxh3_(options.want_xxh3 ? std::make_unique<Xxh3>() : nullptr) {
  if (options.want_md5) md5_.emplace();
}

MemberSource::~MemberSource() = default;

absl::Status MemberSource::Damaged(std::string_view what) const {
  return absl::DataLossError(absl::StrCat("at offset ", member_offset_, ": ", ToAbsl(what)));
}

absl::Status MemberSource::Extend(size_t bytes, MutableByteSpan space) {
  if (have_ >= bytes) return absl::OkStatus();
  const uint64_t left = extents_[extent_].end() - member_offset_;
  if (bytes > left) {
    return Damaged(
        absl::StrFormat("the member is cut off: %d of its %d bytes are there", left, bytes));
  }
  const MutableByteSpan out = space.subspan(have_, bytes - have_);
  VS_ASSIGN_OR_RETURN(const size_t read, reader_->Read(out));
  if (read != out.size()) return Damaged("the archive ended while it was read");
  if (xxh3_ != nullptr) VS_CHECK(XXH3_64bits_update(xxh3_->state, out.data(), read) == XXH_OK);
  if (md5_.has_value()) md5_->Update(out);
  have_ = bytes;
  return absl::OkStatus();
}

absl::StatusOr<size_t> MemberSource::ReadMember(MutableByteSpan space) {
  VS_RETURN_IF_ERROR(Extend(kFixedBytes, space));
  if (!IsMemberStart(space.first(have_)) || (space[3] & kFlagExtra) == 0) {
    return Damaged("no member begins here");
  }
  const size_t header_bytes = kFixedBytes + ExtraBytes(space);
  VS_RETURN_IF_ERROR(Extend(header_bytes, space));
  const std::optional<MemberInfo> info = ParseGzipHeader(space.first(have_));
  if (!info.has_value()) {
    // A member of the index, or nothing that is known.
    VS_RETURN_IF_ERROR(Extend(header_bytes + sizeof(kEmptyBody), space));
    if (!IndexMemberBytes(space.first(have_)).has_value()) {
      return Damaged("the member does not say how long it is");
    }
    return 0;
  }
  if (info->member_bytes < header_bytes + kGzipTrailerBytes) {
    return Damaged(absl::StrFormat("the member says that it has %d bytes, fewer than its header",
                                   info->member_bytes));
  }
  if (info->member_bytes > space.size()) {
    return Damaged(absl::StrFormat(
        "the member says that it has %d bytes, more than any has in this archive (%d)",
        info->member_bytes, space.size()));
  }
  VS_RETURN_IF_ERROR(Extend(info->member_bytes, space));
  return info->member_bytes;
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

std::string MemberSource::xxh3() const {
  if (xxh3_ == nullptr) return "";
  return absl::StrFormat("%016x", XXH3_64bits_digest(xxh3_->state));
}

}  // namespace volstream
