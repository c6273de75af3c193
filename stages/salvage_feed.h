// SalvageFeed: what a SalvageInput gives, as the input of a TarReader: gaps that fit into the data
// of the entry that is read become zeros, all others end the reading.
//
// Threads: one at a time; Cancel by any.
#ifndef VOLSTREAM_STAGES_SALVAGE_FEED_H_
#define VOLSTREAM_STAGES_SALVAGE_FEED_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/entry_info.h"
#include "stages/entry_reader.h"
#include "stages/salvage_input.h"

namespace volstream {

// Positions are the tar's where it is known; else they go on from the last known one as if gaps of
// unknown size had none.
class SalvageFeed : public TarInput {
 public:
  using OnGap = std::function<void(const SalvageItem& gap)>;

  // The input must outlive it; `on_gap` may be empty.
  SalvageFeed(SalvageInput* input, OnGap on_gap) : input_(input), on_gap_(std::move(on_gap)) {}

  // kDataLoss at a gap that does not fit, until Pull is called.
  absl::StatusOr<SharedBytes> Next() override;
  void Cancel() override { input_->Cancel(); }

  // The entry that is read from now on.
  void SetEntry(const EntryPlace& place);
  // Of its data, what gaps and an early end have taken so far.
  uint64_t lost_bytes() const;
  // True for bytes that stand for a gap.
  static bool IsHole(ByteSpan bytes);

  // The next member, past all gaps; nothing at the end.
  absl::StatusOr<std::optional<SalvageItem>> Pull();
  // Goes back to byte `at` of the member that Next or Pull gave last.
  void GoBack(uint64_t at);

  const SalvageItem& last() const { return last_; }
  uint64_t last_position() const { return last_position_; }
  uint64_t position() const { return position_; }
  bool is_cut() const { return cut_; }
  bool has_ended() const { return ended_; }
  // Whether position() is the tar's.
  bool is_known() const { return last_.tar_offset.has_value(); }
  // The input's own failure, which is no damage.
  const absl::Status& failure() const { return failure_; }

 private:
  absl::StatusOr<SalvageItem> NextItem();
  void Took(const SalvageItem& item);
  // Whether all since the last entry's end were zeros, and enough for an end mark.
  bool SawEndMark() const;

  SalvageInput* const input_;
  const OnGap on_gap_;
  uint64_t position_ = 0;
  SalvageItem last_;
  uint64_t last_position_ = 0;
  SharedBytes again_;  // of last_, to be given anew
  uint64_t hole_left_ = 0;
  bool cut_ = false;
  bool ended_ = false;
  uint64_t zeros_ = 0;  // at the end of what was given
  absl::Status failure_;

  // The entry's data, and the end of its padding.
  uint64_t data_begin_ = 0;
  uint64_t data_end_ = 0;
  uint64_t limit_ = 0;
  uint64_t holes_ = 0;  // in the data
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SALVAGE_FEED_H_
