#include "stages/plan_index.h"

#include <algorithm>
#include <utility>

#include "stages/index_blob.h"

namespace volstream {

// Uncompressed, an entry takes less in a page than its header in the tar, which has its path and
// link target too; and less than 64 bytes of numbers. A page's own cost is spread over its entries,
// a member's over the MiB that it holds at least: one for each block and, at most, one more for
// each file of a block's size.
uint64_t MaxIndexBytes(const VolumePlan& plan) {
  constexpr uint64_t kMemberBytes = 16;
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < plan.entries().size(); ++i) {
    header_bytes += plan.entries()[i].header_bytes;
  }
  const uint64_t members = 2 * (plan.tar_bytes() / kMiB + 1);
  // And as much again for the directory's first paths, the cutting into members, and small indexes.
  return 2 * header_bytes + members * kMemberBytes + 64 * kKiB;
}

PlanIndex::PlanIndex(const VolumePlan* plan, std::vector<uint32_t> left_out)
    : plan_(plan), left_out_(std::move(left_out)) {
  std::sort(left_out_.begin(), left_out_.end());
}

bool PlanIndex::Next(IndexedEntry* entry) {
  const Chunked<VolumePlan::Entry>& entries = plan_->entries();
  for (; next_left_out_ < left_out_.size() && left_out_[next_left_out_] == next_;
       ++next_left_out_, ++next_) {
    left_out_bytes_ += entries[next_].end_offset() - entries[next_].tar_offset;
  }
  if (next_ >= entries.size()) return false;
  const VolumePlan::Entry& planned = entries[next_];
  *static_cast<EntryInfo*>(entry) = plan_->InfoOf(next_, &directory_);
  entry->place = {planned.tar_offset - left_out_bytes_, planned.header_bytes, planned.bytes};
  entry->sparse = plan_->SparseOf(planned) != nullptr;
  ++next_;
  return true;
}

}  // namespace volstream
