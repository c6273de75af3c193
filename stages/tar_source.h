// TarSource: BlockSource that produces the tar stream of a VolumePlan. The plan fixes what every
// block holds, so blocks are filled by all workers at once.
//
// A file of at least one block begins a block with its first data byte: equal files give equal
// blocks in every backup, wherever they stand.
#ifndef VOLSTREAM_STAGES_TAR_SOURCE_H_
#define VOLSTREAM_STAGES_TAR_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"
#include "engine/stage.h"
#include "stages/idle_pool.h"
#include "stages/volume_files.h"
#include "stages/volume_plan.h"
#include "stages/warnings.h"

namespace volstream {

class TarSource : public BlockSource {
 public:
  // The plan and the warnings must outlive it.
  TarSource(const VolumePlan* plan, Warnings* warnings)
      : plan_(plan), warnings_(warnings), files_(plan, warnings) {}

  uint64_t MaxStreamBytes() const override { return plan_->tar_bytes(); }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;

  // After the last Fill: indexes of the plan's entries that the stream does not have, in any order.
  std::vector<uint32_t> LeftOut() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // What one call of Fill keeps for the next entry, and for the next call.
  struct Work {
    explicit Work(VolumeFiles* files) : batch(files) {}
    VolumeFiles::Batch batch;
    VolumePlan::HeaderSpace header;
    absl::Status status;  // of a copy in the spool that cannot be read back
  };

  // Writes what entry `index` has in the `range_bytes` from stream offset `offset` on, to the front
  // of `out`; returns the bytes written, 0 when the entry is left out. The data of small files may
  // come only with the batch.
  size_t FillEntry(uint32_t index, uint64_t offset, size_t range_bytes, MutableByteSpan out,
                   Work* work);
  // The same of a whole file that has no other name.
  size_t FillWholeFile(uint32_t index, MutableByteSpan out, Work* work);

  void LeaveOut(uint32_t index) ABSL_LOCKS_EXCLUDED(mu_);

  const VolumePlan* const plan_;
  Warnings* const warnings_;
  VolumeFiles files_;
  mutable Mutex mu_;
  std::vector<uint32_t> left_out_ ABSL_GUARDED_BY(mu_);
  IdlePool<Work> idle_;
  // The source thread's.
  uint64_t next_offset_ = 0;
  size_t next_large_ = 0;  // index of the first entry not yet searched for a large file
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_SOURCE_H_
