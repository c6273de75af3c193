#include "stages/retention.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/status_macros.h"
#include "stages/archive_name.h"
#include "stages/receipt.h"

namespace volstream {
namespace {

// So many archives go at a time, after what is kept beside them: S3 takes 1,000 names in a request.
constexpr size_t kRemovalBatch = 500;

using GroupKey = std::pair<std::string, ArchiveKind>;

GroupKey KeyOf(const BackupInfo& backup) { return {backup.parsed.stem, backup.parsed.kind}; }

// The newest proven backup of a group, and the largest proven one that would go.
struct Compared {
  std::optional<size_t> newest;
  std::optional<size_t> largest;
};

// That this one object may not be read, as of a key that is not its own, or of an archive class.
// The destination as such has just been listed.
bool IsUnreadable(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsFailedPrecondition(status) ||
         absl::IsInvalidArgument(status);
}

class Look {
 public:
  Look(Storage* storage, const RetentionOptions& options) : storage_(*storage), options_(options) {}

  absl::StatusOr<RetentionLook> Run(std::string_view stem) {
    VS_ASSIGN_OR_RETURN(look_.backups, ListBackups(&storage_, stem));
    bool changed = true;
    while (changed) {
      look_.plan = PlanRetention(look_.backups, options_.policy, options_.now, options_.just_made);
      for (const size_t i : unread_) look_.plan[i] |= kKeepUnread;
      groups_ = GroupsWithRemovals();
      if (groups_.empty()) break;
      VS_ASSIGN_OR_RETURN(changed, CheckReceipts());
    }
    WarnOfUnread();
    CheckSizes();
    VS_RETURN_IF_ERROR(CheckLocks());
    return std::move(look_);
  }

 private:
  std::map<GroupKey, Compared> GroupsWithRemovals() const {
    std::map<GroupKey, Compared> groups;
    for (size_t i = 0; i < look_.backups.size(); ++i) {
      if (look_.plan[i] == 0) groups.try_emplace(KeyOf(look_.backups[i]));
    }
    if (groups.empty()) return groups;
    for (size_t i = 0; i < look_.backups.size(); ++i) {
      const BackupInfo& backup = look_.backups[i];
      const auto group = groups.find(KeyOf(backup));
      if (group == groups.end() || !backup.proven) continue;
      auto& [newest, largest] = group->second;
      if (!newest.has_value() || (look_.plan[i] & kKeepJustMade) != 0) newest = i;
      if (look_.plan[i] != 0) continue;
      if (!largest.has_value() || backup.bytes > look_.backups[*largest].bytes) largest = i;
    }
    return groups;
  }

  // Whether a backup turned out to be unproven.
  absl::StatusOr<bool> CheckReceipts() {
    bool changed = false;
    for (size_t i = 0; i < look_.backups.size(); ++i) {
      const BackupInfo& backup = look_.backups[i];
      const auto group = groups_.find(KeyOf(backup));
      if (!backup.proven || group == groups_.end()) continue;
      const bool compared = group->second.largest == i;
      const bool vouches = look_.plan[i] != 0 && read_.size() < kMaxReceiptsRead;
      if ((!compared && !vouches) || !read_.insert(i).second) continue;
      const absl::StatusOr<bool> fits = ReceiptFits(backup);
      if (!fits.ok() && !IsUnreadable(fits.status())) return fits.status();
      if (fits.value_or(false)) continue;
      look_.backups[i].proven = false;
      changed = true;
      if (!fits.ok()) {
        unread_.insert(i);
        if (first_unread_.ok()) first_unread_ = fits.status();
        continue;
      }
      look_.warnings.push_back(absl::StrCat("the receipt of ", storage_.UrlOf(backup.name),
                                            " does not fit it: it counts as unproven"));
      look_.misfits.insert(i);
    }
    return changed;
  }

  absl::StatusOr<bool> ReceiptFits(const BackupInfo& backup) {
    const absl::StatusOr<std::string> text = storage_.ReadAll(ReceiptNameOf(backup.name));
    if (absl::IsNotFound(text.status())) return false;
    if (!text.ok()) return text.status();
    const absl::StatusOr<Receipt> receipt = Receipt::FromJson(*text);
    return receipt.ok() && receipt->Fits(backup.name, backup.bytes);
  }

  // One warning for all: after a change of keys there are as many as there are backups.
  void WarnOfUnread() {
    if (unread_.empty()) return;
    look_.warnings.push_back(absl::StrCat(
        unread_.size(), unread_.size() == 1 ? " receipt" : " receipts", " at ", storage_.Url(),
        " cannot be read (", first_unread_.message(),
        "): those backups count as unproven and stay; after a change of the encryption key, prune "
        "them with the old one"));
  }

  void CheckSizes() {
    if (options_.min_size_ratio <= 0) return;
    for (const auto& [key, compared] : groups_) {
      if (!compared.newest.has_value() || !compared.largest.has_value()) continue;
      const BackupInfo& newest = look_.backups[*compared.newest];
      const BackupInfo& largest = look_.backups[*compared.largest];
      const double least = options_.min_size_ratio * static_cast<double>(largest.bytes);
      if (static_cast<double>(newest.bytes) >= least) continue;
      look_.warnings.push_back(absl::StrFormat(
          "%s is suspiciously small: %d bytes, and %s, which would go, has %d (--min-size-ratio "
          "%g); no older backup of that name is removed: look at it, then prune by hand with "
          "--min-size-ratio 0",
          storage_.UrlOf(newest.name), newest.bytes, largest.name, largest.bytes,
          options_.min_size_ratio));
      for (size_t i = 0; i < look_.backups.size(); ++i) {
        if (look_.plan[i] == 0 && KeyOf(look_.backups[i]) == key) look_.plan[i] = kKeepSmall;
      }
    }
  }

  absl::Status CheckLocks() {
    for (size_t i = 0; i < look_.backups.size(); ++i) {
      if (look_.plan[i] != 0) continue;
      absl::StatusOr<std::string> lock = storage_.HeldBy(look_.backups[i].name);
      if (!lock.ok()) {
        if (!IsUnreadable(lock.status())) return lock.status();
        lock = absl::StrCat("perhaps locked, which cannot be asked: ", lock.status().message());
      }
      if (lock->empty()) continue;
      look_.plan[i] = kKeepLocked;
      look_.locks[i] = *std::move(lock);
    }
    return absl::OkStatus();
  }

  Storage& storage_;
  const RetentionOptions& options_;
  RetentionLook look_;
  std::map<GroupKey, Compared> groups_;  // those of which something would go
  std::set<size_t> read_;                // whose receipts were read
  std::set<size_t> unread_;              // of these, whose receipts may not be
  absl::Status first_unread_;
};

}  // namespace

size_t RetentionLook::removals() const {
  return static_cast<size_t>(std::count(plan.begin(), plan.end(), 0));
}

std::string RetentionLook::Reason(size_t index) const {
  if (const auto lock = locks.find(index); lock != locks.end()) return lock->second;
  return ReasonText(backups[index], plan[index]);
}

absl::StatusOr<RetentionLook> LookAtRetention(Storage* storage, std::string_view stem,
                                              const RetentionOptions& options) {
  return Look(storage, options).Run(stem);
}

absl::StatusOr<RetentionOutcome> RemoveAsPlanned(
    Storage* storage, const RetentionLook& look,
    const std::function<void(const BackupInfo& backup)>& on_removed,
    const RemovalFailure& on_failed) {
  RetentionOutcome outcome;
  std::set<std::string> stayed;  // archives of the present batch
  const auto note = [&](const std::string& name, const absl::Status& reason) {
    ++outcome.failed;
    if (outcome.first_failure.ok()) outcome.first_failure = reason;
    if (on_failed) on_failed(name, reason);
  };
  std::vector<size_t> batch;
  // What `name_of` gives of each backup of the batch of which nothing stayed so far.
  const auto remove_names = [&](const auto& name_of) -> absl::Status {
    std::vector<std::string> names;
    for (const size_t i : batch) {
      if (stayed.contains(look.backups[i].name)) continue;
      if (std::string name = name_of(i); !name.empty()) names.push_back(std::move(name));
    }
    if (names.empty()) return absl::OkStatus();
    return storage->RemoveEach(names, [&](const std::string& name, const absl::Status& reason) {
      const std::string_view archive = AttachedTo(name);
      stayed.emplace(archive.empty() ? std::string_view(name) : archive);
      note(name, reason);
    });
  };
  const auto remove_batch = [&]() -> absl::Status {
    stayed.clear();
    VS_RETURN_IF_ERROR(remove_names([&](size_t i) {
      return look.backups[i].verified ? VerificationNameOf(look.backups[i].name) : std::string();
    }));
    VS_RETURN_IF_ERROR(remove_names([&](size_t i) {
      return look.backups[i].proven || look.misfits.contains(i)
                 ? ReceiptNameOf(look.backups[i].name)
                 : std::string();
    }));
    VS_RETURN_IF_ERROR(remove_names([&](size_t i) { return look.backups[i].name; }));
    for (const size_t i : batch) {
      if (stayed.contains(look.backups[i].name)) continue;
      ++outcome.removed;
      if (on_removed) on_removed(look.backups[i]);
    }
    batch.clear();
    return absl::OkStatus();
  };
  for (size_t i = 0; i < look.backups.size(); ++i) {
    if (look.plan[i] != 0) continue;
    batch.push_back(i);
    if (batch.size() == kRemovalBatch) VS_RETURN_IF_ERROR(remove_batch());
  }
  if (!batch.empty()) VS_RETURN_IF_ERROR(remove_batch());
  return outcome;
}

}  // namespace volstream
