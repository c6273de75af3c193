#include "stages/salvage_feed.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "engine/status_macros.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

constexpr std::array<uint8_t, 256 * kKiB> kZeros = {};

// Bytes that two ranges have in common.
uint64_t Overlap(uint64_t begin_a, uint64_t end_a, uint64_t begin_b, uint64_t end_b) {
  const uint64_t begin = std::max(begin_a, begin_b);
  const uint64_t end = std::min(end_a, end_b);
  return begin < end ? end - begin : 0;
}

}  // namespace

bool SalvageFeed::IsHole(ByteSpan bytes) {
  // Pointers into different objects are only ordered by std::less.
  return !bytes.empty() && !std::less<>()(bytes.data(), kZeros.data()) &&
         std::less<>()(bytes.data(), kZeros.data() + kZeros.size());
}

void SalvageFeed::SetEntry(const EntryPlace& place) {
  data_begin_ = place.data_offset();
  data_end_ = data_begin_ + place.stored_bytes;
  limit_ = place.end_offset();
  holes_ = 0;
}

uint64_t SalvageFeed::lost_bytes() const {
  const uint64_t cut_off =
      cut_ || ended_ ? Overlap(position_, UINT64_MAX, data_begin_, data_end_) : 0;
  return holes_ + cut_off;
}

bool SalvageFeed::SawEndMark() const {
  return position_ >= limit_ + kTarEndBytes && zeros_ >= position_ - limit_;
}

absl::StatusOr<SalvageItem> SalvageFeed::NextItem() {
  absl::StatusOr<SalvageItem> item = input_->Next();
  if (!item.ok()) {
    failure_ = item.status();
    return failure_;
  }
  if (item->kind == SalvageItem::Kind::kGap && on_gap_) on_gap_(*item);
  return item;
}

void SalvageFeed::Took(const SalvageItem& item) {
  last_ = item;
  if (item.tar_offset.has_value()) position_ = *item.tar_offset;
  last_position_ = position_;
  position_ += item.content.bytes.size();
}

absl::StatusOr<SharedBytes> SalvageFeed::Next() {
  while (true) {
    if (!again_.bytes.empty()) return std::exchange(again_, SharedBytes());
    if (hole_left_ > 0) {
      const uint64_t bytes = std::min<uint64_t>(hole_left_, kZeros.size());
      holes_ += Overlap(position_, position_ + bytes, data_begin_, data_end_);
      position_ += bytes;
      hole_left_ -= bytes;
      zeros_ = 0;  // nobody knows
      return SharedBytes{ByteSpan(kZeros).first(static_cast<size_t>(bytes)), nullptr};
    }
    if (cut_) return absl::DataLossError("what follows is lost");
    if (ended_) return SharedBytes();
    VS_ASSIGN_OR_RETURN(SalvageItem item, NextItem());
    switch (item.kind) {
      case SalvageItem::Kind::kEnd:
        ended_ = true;
        return SharedBytes();
      case SalvageItem::Kind::kBytes: {
        const uint64_t zeros = TrailingZeros(item.content.bytes);
        zeros_ = zeros == item.content.bytes.size() ? zeros_ + zeros : zeros;
        Took(item);
        // A member without data must not look like the end.
        if (!item.content.bytes.empty()) return item.content;
        break;
      }
      case SalvageItem::Kind::kGap:
        if (item.tar_bytes.has_value() && *item.tar_bytes <= limit_ &&
            position_ <= limit_ - *item.tar_bytes) {
          hole_left_ = *item.tar_bytes;
        } else if (!SawEndMark()) {
          // Behind an end mark only the index can be lost.
          cut_ = true;
        }
        break;
    }
  }
}

absl::StatusOr<std::optional<SalvageItem>> SalvageFeed::Pull() {
  cut_ = false;
  position_ += std::exchange(hole_left_, 0);
  again_ = SharedBytes();
  while (!ended_) {
    VS_ASSIGN_OR_RETURN(SalvageItem item, NextItem());
    if (item.kind == SalvageItem::Kind::kEnd) {
      ended_ = true;
    } else if (item.kind == SalvageItem::Kind::kBytes && !item.content.bytes.empty()) {
      Took(item);
      return item;
    }
  }
  return std::nullopt;
}

void SalvageFeed::GoBack(uint64_t at) {
  cut_ = false;
  hole_left_ = 0;
  position_ = last_position_ + last_.content.bytes.size();
  again_ = SharedBytes{last_.content.bytes.subspan(static_cast<size_t>(at)), last_.content.owner};
  zeros_ = TrailingZeros(again_.bytes);
  limit_ = data_begin_ = data_end_ = last_position_ + at;
  holes_ = 0;
}

}  // namespace volstream
