#include "stages/entry_diff.h"

#include "engine/status_macros.h"
#include "stages/index_page.h"

namespace volstream {
namespace {

bool IsLink(const EntryInfo& entry) { return entry.type == TarType::kHardLink; }

// One side of a path, resolved where it is a hard link.
class Side {
 public:
  absl::Status Set(EntryStream* stream, const EntryInfo* entry) {
    entry_ = entry;
    if (entry == nullptr || !IsLink(*entry)) return absl::OkStatus();
    VS_ASSIGN_OR_RETURN(resolved_, stream->Resolve(*entry));
    entry_ = &resolved_;
    return absl::OkStatus();
  }
  const EntryInfo* entry() const { return entry_; }

 private:
  const EntryInfo* entry_ = nullptr;
  EntryInfo resolved_;
};

}  // namespace

std::vector<EntryField> DifferingFields(const EntryInfo& a, const EntryInfo& b, bool owners,
                                        bool whole_seconds) {
  if (a.type != b.type) return {EntryField::kType};
  std::vector<EntryField> fields;
  if (a.bytes != b.bytes) fields.push_back(EntryField::kSize);
  const bool fraction = a.mtime_nanoseconds != b.mtime_nanoseconds &&
                        !(whole_seconds && (a.mtime_nanoseconds == 0 || b.mtime_nanoseconds == 0));
  if (a.mtime_seconds != b.mtime_seconds || fraction) fields.push_back(EntryField::kTime);
  if (a.mode != b.mode) fields.push_back(EntryField::kMode);
  if (owners && (a.uid != b.uid || a.gid != b.gid)) fields.push_back(EntryField::kOwner);
  if (a.link_target != b.link_target) fields.push_back(EntryField::kTarget);
  return fields;
}

absl::Status CompareEntries(EntryStream* before, EntryStream* after, bool owners,
                            const ChangeVisitor& visit) {
  const bool whole_seconds = !before->exact_times() || !after->exact_times();
  VS_ASSIGN_OR_RETURN(const EntryInfo* a, before->Next());
  VS_ASSIGN_OR_RETURN(const EntryInfo* b, after->Next());
  Side left;
  Side right;
  while (a != nullptr || b != nullptr) {
    const int order = a == nullptr ? 1 : b == nullptr ? -1 : ComparePaths(a->path, b->path);
    if (order != 0) {
      VS_RETURN_IF_ERROR(left.Set(before, order < 0 ? a : nullptr));
      VS_RETURN_IF_ERROR(right.Set(after, order > 0 ? b : nullptr));
      VS_RETURN_IF_ERROR(visit(EntryChange{left.entry(), right.entry(), {}}));
    } else {
      // Names of the same entry, whose size and type are compared there: nothing to look up.
      if (IsLink(*a) && IsLink(*b) && a->link_target == b->link_target) {
        const EntryChange change{a, b, DifferingFields(*a, *b, owners, whole_seconds)};
        if (!change.fields.empty()) VS_RETURN_IF_ERROR(visit(change));
      } else {
        VS_RETURN_IF_ERROR(left.Set(before, a));
        VS_RETURN_IF_ERROR(right.Set(after, b));
        const EntryChange change{
            left.entry(), right.entry(),
            DifferingFields(*left.entry(), *right.entry(), owners, whole_seconds)};
        if (!change.fields.empty()) VS_RETURN_IF_ERROR(visit(change));
      }
    }
    if (order <= 0) {
      VS_ASSIGN_OR_RETURN(a, before->Next());
    }
    if (order >= 0) {
      VS_ASSIGN_OR_RETURN(b, after->Next());
    }
  }
  return absl::OkStatus();
}

}  // namespace volstream
