#include "stages/retention_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"

namespace volstream {
namespace {

constexpr std::pair<KeepReason, const char*> kReasonNames[] = {
    {kKeepJustMade, "just made"},
    {kKeepNewest, "newest"},
    {kKeepLast, "last"},
    {kKeepDaily, "daily"},
    {kKeepWeekly, "weekly"},
    {kKeepMonthly, "monthly"},
    {kKeepYearly, "yearly"},
    {kKeepWithin, "within"},
    {kKeepNoRule, "no rule"},
    {kKeepUnproven, "unproven, and too few newer proven ones are kept"},
    {kKeepForeign, "unproven, and not known to be a backup"},
    {kKeepSmall, "the newest one is suspiciously small"},
    {kKeepLocked, "locked"},
    {kKeepUnread, "its receipt cannot be read"},
};

// The newest backup of each of the first `left` periods.
class PeriodRule {
 public:
  explicit PeriodRule(int count) : left_(count) {}

  bool Keeps(absl::CivilDay period) {
    if (left_ == 0 || period == last_) return false;
    last_ = period;
    --left_;
    return true;
  }

 private:
  int left_;
  std::optional<absl::CivilDay> last_;
};

// The state of one stem and kind while its backups go by, the newest first.
class Group {
 public:
  Group(const RetentionPolicy& policy, absl::Time now)
      : policy_(policy),
        now_(now),
        daily_(policy.daily),
        weekly_(policy.weekly),
        monthly_(policy.monthly),
        yearly_(policy.yearly),
        last_left_(policy.last) {}

  KeepReasons Judge(const BackupInfo& backup) {
    if (!backup.proven) return JudgeUnproven(backup);
    KeepReasons reasons = 0;
    if (!cutoff_.has_value()) {
      reasons |= kKeepNewest;
      cutoff_ = std::min(backup.parsed.time, now_) - policy_.within;
    }
    if (last_left_ > 0) {
      --last_left_;
      reasons |= kKeepLast;
    }
    const absl::CivilDay day = absl::ToCivilDay(backup.parsed.time, absl::UTCTimeZone());
    if (daily_.Keeps(day)) reasons |= kKeepDaily;
    // An ISO week is known by its Monday.
    if (weekly_.Keeps(absl::PrevWeekday(day + 1, absl::Weekday::monday))) reasons |= kKeepWeekly;
    if (monthly_.Keeps(absl::CivilDay(absl::CivilMonth(day)))) reasons |= kKeepMonthly;
    if (yearly_.Keeps(absl::CivilDay(absl::CivilYear(day)))) reasons |= kKeepYearly;
    if (IsWithin(backup)) reasons |= kKeepWithin;
    if (reasons != 0) ++kept_;
    return reasons;
  }

 private:
  bool IsWithin(const BackupInfo& backup) const {
    return policy_.within > absl::ZeroDuration() && backup.parsed.time >= *cutoff_;
  }

  KeepReasons JudgeUnproven(const BackupInfo& backup) const {
    // People name their own dumps like that: without a receipt one is not known to be ours.
    if (backup.parsed.kind == ArchiveKind::kRaw) return kKeepForeign;
    const int needed =
        std::max({1, policy_.last, policy_.daily, policy_.weekly, policy_.monthly, policy_.yearly});
    return kept_ < needed || IsWithin(backup) ? kKeepUnproven : 0;
  }

  const RetentionPolicy& policy_;
  const absl::Time now_;
  PeriodRule daily_;
  PeriodRule weekly_;
  PeriodRule monthly_;
  PeriodRule yearly_;
  int last_left_;
  int kept_ = 0;
  std::optional<absl::Time> cutoff_;  // of `within`; known from the newest proven one on
};

}  // namespace

bool RetentionPolicy::KeepsAll() const {
  return last <= 0 && daily <= 0 && weekly <= 0 && monthly <= 0 && yearly <= 0 &&
         within <= absl::ZeroDuration();
}

std::string RetentionPolicy::ToString() const {
  std::vector<std::string> rules;
  const auto add = [&rules](const char* name, int count) {
    if (count > 0) rules.push_back(absl::StrCat(name, " ", count));
  };
  add("last", last);
  add("daily", daily);
  add("weekly", weekly);
  add("monthly", monthly);
  add("yearly", yearly);
  if (within > absl::ZeroDuration()) {
    rules.push_back(absl::StrCat("within ", absl::FormatDuration(within)));
  }
  return rules.empty() ? "all" : absl::StrJoin(rules, ", ");
}

std::string ReasonText(const BackupInfo& backup, KeepReasons reasons) {
  if (reasons == 0) {
    return backup.proven ? "no rule keeps it" : "unproven, and enough newer proven ones are kept";
  }
  std::vector<std::string> names;
  for (const auto& [reason, name] : kReasonNames) {
    if ((reasons & reason) != 0) names.emplace_back(name);
  }
  return absl::StrJoin(names, ", ");
}

std::vector<KeepReasons> PlanRetention(const std::vector<BackupInfo>& backups,
                                       const RetentionPolicy& policy, absl::Time now,
                                       std::string_view spare) {
  if (policy.KeepsAll()) return std::vector<KeepReasons>(backups.size(), kKeepNoRule);
  std::vector<KeepReasons> plan;
  plan.reserve(backups.size());
  std::map<std::pair<std::string, ArchiveKind>, Group> groups;
  for (const BackupInfo& backup : backups) {
    Group& group =
        groups.try_emplace({backup.parsed.stem, backup.parsed.kind}, policy, now).first->second;
    KeepReasons reasons = group.Judge(backup);
    if (!spare.empty() && backup.name == spare) reasons |= kKeepJustMade;
    plan.push_back(reasons);
  }
  return plan;
}

}  // namespace volstream
