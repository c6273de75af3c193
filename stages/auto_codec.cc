#include "stages/auto_codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_codec.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<AutoCodec>> AutoCodec::Create(ArchiveFormat format,
                                                             const LevelRange& range) {
  if (range.min > range.start || range.start > range.max) {
    return absl::InvalidArgumentError(absl::StrCat("no levels lie between ", range.min, " and ",
                                                   range.max, " with ", range.start,
                                                   " among them"));
  }
  std::unique_ptr<AutoCodec> codec(new AutoCodec(range));
  for (int level = range.min; level <= range.max; ++level) {
    VS_ASSIGN_OR_RETURN(std::unique_ptr<BlockCodec> of_level, MakeCodec(format, level));
    codec->codecs_.push_back(std::move(of_level));
  }
  return codec;
}

AutoCodec::AutoCodec(const LevelRange& range)
    : range_(range),
      blocks_(static_cast<size_t>(range.max - range.min + 1)),
      level_(range.start),
      controller_(range) {
  changes_.reserve(LevelHistory::kMaxChanges);
}

size_t AutoCodec::Bound(size_t block_bytes) const {
  size_t bound = 0;
  for (const auto& codec : codecs_) bound = std::max(bound, codec->Bound(block_bytes));
  return bound;
}

absl::StatusOr<EncodedBlock> AutoCodec::Encode(ByteSpan in, MutableByteSpan out) {
  const auto index = static_cast<size_t>(level_.load(std::memory_order_relaxed) - range_.min);
  blocks_[index].fetch_add(1, std::memory_order_relaxed);
  return codecs_[index]->Encode(in, out);
}

void AutoCodec::OnPressure(const Pressure& pressure) {
  const int before = controller_.level();
  const int level = controller_.Add(pressure);
  if (level == before) return;
  level_.store(level, std::memory_order_relaxed);
  if (++change_count_ > LevelHistory::kMaxChanges) return;
  changes_.push_back({pressure.source_offset, level});
}

LevelHistory AutoCodec::History() const {
  LevelHistory history;
  history.range = range_;
  history.changes = changes_;
  history.change_count = change_count_;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const uint64_t count = blocks_[i].load(std::memory_order_relaxed);
    if (count > 0) history.blocks[range_.min + static_cast<int>(i)] = count;
  }
  return history;
}

}  // namespace volstream
