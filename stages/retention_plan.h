// RetentionPlan: which backups the rules keep, and why. Pure: nothing here lists or removes.
#ifndef VOLSTREAM_STAGES_RETENTION_PLAN_H_
#define VOLSTREAM_STAGES_RETENTION_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "stages/catalog.h"

namespace volstream {

// Backups kept when nobody says otherwise.
inline constexpr int kDefaultKeepLocal = 10;
inline constexpr int kDefaultKeepS3 = 20;

// A backup stays if any rule keeps it. A count of 0 is no rule; without any rule all stay. Days,
// ISO weeks, months and years are those of UTC, and the newest backup of each is the one that
// stands for it. `within` is counted back from the newest proven backup, or from now if that is
// earlier: backups do not run out when none are made any more.
struct RetentionPolicy {
  int last = 0;
  int daily = 0;
  int weekly = 0;
  int monthly = 0;
  int yearly = 0;
  absl::Duration within = absl::ZeroDuration();

  bool KeepsAll() const;
  // "last 20, daily 7, within 720h"
  std::string ToString() const;
};

// Why a backup stays; several may hold.
enum KeepReason : uint16_t {
  kKeepLast = 1 << 0,
  kKeepDaily = 1 << 1,
  kKeepWeekly = 1 << 2,
  kKeepMonthly = 1 << 3,
  kKeepYearly = 1 << 4,
  kKeepWithin = 1 << 5,
  kKeepNewest = 1 << 6,    // the newest proven one of its name stays whatever the rules say
  kKeepJustMade = 1 << 7,  // by the run that prunes
  kKeepNoRule = 1 << 8,    // the policy has no rule
  kKeepUnproven = 1 << 9,  // too few newer proven ones are kept
  kKeepForeign = 1 << 10,  // an unproven .gz is not known to be a backup
  kKeepSmall = 1 << 11,    // the newest one is suspiciously small: see RetentionOptions
  kKeepLocked = 1 << 12,   // by the destination
  kKeepUnread = 1 << 13,   // its receipt cannot be read: see LookAtRetention
};

// 0 = it is to be removed; else KeepReasons.
using KeepReasons = uint16_t;

// "kept: last, daily" or why it goes.
std::string ReasonText(const BackupInfo& backup, KeepReasons reasons);

// One entry for each of `backups`, which are ordered newest first. Each stem, and each kind of it
// (a tar, or any other stream, of whatever format), is planned for itself. Only proven backups are
// kept by rules. An unproven one goes when as many newer proven ones are kept as the largest count
// asks for, at least one, and `within` does not cover it; an unproven .gz never goes. The backup
// named `spare` never goes, wherever its name sorts: a clock that was ahead once must not cost the
// backup just made.
std::vector<KeepReasons> PlanRetention(const std::vector<BackupInfo>& backups,
                                       const RetentionPolicy& policy, absl::Time now,
                                       std::string_view spare = "");

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RETENTION_PLAN_H_
