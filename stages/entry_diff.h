// What differs between two trees of entries, by what archives say of them: no content is compared.
#ifndef VOLSTREAM_STAGES_ENTRY_DIFF_H_
#define VOLSTREAM_STAGES_ENTRY_DIFF_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "stages/entry_info.h"
#include "stages/entry_stream.h"

namespace volstream {

enum class EntryField { kType, kSize, kTime, kMode, kOwner, kTarget };

// What differs of two entries of one path; of another type than that alone.
// `whole_seconds`: a time without a fraction is the same as one with any of that second.
std::vector<EntryField> DifferingFields(const EntryInfo& a, const EntryInfo& b, bool owners,
                                        bool whole_seconds);

// One path that is not the same in both: null where it is not there. Hard links are given as what
// they are names of.
struct EntryChange {
  const EntryInfo* before = nullptr;
  const EntryInfo* after = nullptr;
  std::vector<EntryField> fields;  // where both are there; not empty
};

using ChangeVisitor = std::function<absl::Status(const EntryChange& change)>;

// Gives all changes to `visit`, in the order of ComparePaths. Errors: of the streams, of `visit`.
absl::Status CompareEntries(EntryStream* before, EntryStream* after, bool owners,
                            const ChangeVisitor& visit);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENTRY_DIFF_H_
