// PlanIndex: the entries of a volume's tar as they came to be, for its index: those of the plan but
// for what was left out while it was read.
#ifndef VOLSTREAM_STAGES_PLAN_INDEX_H_
#define VOLSTREAM_STAGES_PLAN_INDEX_H_

#include <cstdint>
#include <vector>

#include "stages/index_format.h"
#include "stages/volume_plan.h"

namespace volstream {

// Upper bound of the index's bytes for all of a plan.
uint64_t MaxIndexBytes(const VolumePlan& plan);

// Threads: one at a time.
class PlanIndex {
 public:
  // `left_out`: indexes into plan->entries(), in any order. The plan must outlive it.
  PlanIndex(const VolumePlan* plan, std::vector<uint32_t> left_out);

  // Puts the next entry into *entry; false after the last.
  bool Next(IndexedEntry* entry);

 private:
  const VolumePlan* const plan_;
  std::vector<uint32_t> left_out_;  // sorted
  size_t next_left_out_ = 0;
  uint32_t next_ = 0;
  uint64_t left_out_bytes_ = 0;  // before next_
  VolumePlan::DirectoryPath directory_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PLAN_INDEX_H_
