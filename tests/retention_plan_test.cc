// Retention: the pure plan. What is done with it is in retention_run_test, the CLI in
// retention_test.
#include "stages/retention_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"

namespace volstream {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'750'000'000);  // Sunday, 15 June 2025, 15:06 UTC

BackupInfo BackupAt(absl::Time time, bool proven, const std::string& stem = "v",
                    ArchiveKind kind = ArchiveKind::kTar) {
  BackupInfo backup;
  backup.parsed = ArchiveName{stem, time, kind};
  backup.name = backup.parsed.ToString();
  backup.proven = proven;
  return backup;
}

// One backup of a stem for each letter: P proven, u unproven; the newest first, `apart` each.
std::vector<BackupInfo> Backups(std::string_view letters, absl::Duration apart = absl::Hours(24),
                                const std::string& stem = "v") {
  std::vector<BackupInfo> backups;
  absl::Time time = kNow;
  for (const char letter : letters) {
    backups.push_back(BackupAt(time, letter == 'P', stem));
    time -= apart;
  }
  return backups;
}

// The letters with those that go replaced by '-'.
std::string Kept(std::string_view letters, const RetentionPolicy& policy,
                 absl::Duration apart = absl::Hours(24), absl::Time now = kNow) {
  const std::vector<KeepReasons> plan = PlanRetention(Backups(letters, apart), policy, now);
  std::string kept(letters);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (plan[i] == 0) kept[i] = '-';
  }
  return kept;
}

RetentionPolicy Last(int count) {
  RetentionPolicy policy;
  policy.last = count;
  return policy;
}

TEST(RetentionPlan, KeepsTheNewestProvenOnes) {
  EXPECT_EQ(Kept("PPPPP", Last(2)), "PP---");
  EXPECT_EQ(Kept("PPPPP", Last(1)), "P----");
}

TEST(RetentionPlan, KeepsAllWhenThereAreFewer) {
  EXPECT_EQ(Kept("PPP", Last(3)), "PPP");
  EXPECT_EQ(Kept("PP", Last(100)), "PP");
  EXPECT_EQ(Kept("", Last(1)), "");
}

TEST(RetentionPlan, WithoutARuleKeepsEverything) {
  EXPECT_EQ(Kept("PuPuP", Last(0)), "PuPuP");
  EXPECT_EQ(Kept("PPP", Last(-1)), "PPP");
}

TEST(RetentionPlan, NeverCountsUnprovenOnesAsKept) {
  EXPECT_EQ(Kept("uPuPP", Last(2)), "uPuP-");
  EXPECT_EQ(Kept("uuuPP", Last(2)), "uuuPP");
}

TEST(RetentionPlan, RemovesUnprovenOnesBehindEnoughProvenOnes) {
  EXPECT_EQ(Kept("PPuPu", Last(2)), "PP---");
}

TEST(RetentionPlan, KeepsUnprovenOnesWhereTooFewAreProven) {
  EXPECT_EQ(Kept("uuuuu", Last(1)), "uuuuu");
  EXPECT_EQ(Kept("Puu", Last(2)), "Puu");
  RetentionPolicy daily;
  daily.daily = 3;
  EXPECT_EQ(Kept("PuPuPuP", daily), "PuPuP--");
}

TEST(RetentionPlan, NeverTakesAnUnprovenStreamThatMayBeSomebodysOwn) {
  std::vector<BackupInfo> backups;
  for (int day = 0; day < 3; ++day) {
    backups.push_back(BackupAt(kNow - day * absl::Hours(24), day < 2, "v", ArchiveKind::kRaw));
  }
  const std::vector<KeepReasons> plan = PlanRetention(backups, Last(1), kNow);
  EXPECT_EQ(plan[1], 0);
  EXPECT_EQ(plan[2], kKeepForeign);
}

TEST(RetentionPlan, CountsBothCodecsAsOneSeries) {
  std::vector<BackupInfo> backups;
  for (int day = 0; day < 4; ++day) {
    backups.push_back(BackupAt(kNow - day * absl::Hours(24), /*proven=*/true));
    backups.back().parsed.format = day % 2 == 0 ? ArchiveFormat::kZstd : ArchiveFormat::kGzip;
  }
  const std::vector<KeepReasons> plan = PlanRetention(backups, Last(3), kNow);
  EXPECT_NE(plan[0], 0);
  EXPECT_NE(plan[1], 0);
  EXPECT_NE(plan[2], 0);
  EXPECT_EQ(plan[3], 0);
}

TEST(RetentionPlan, DailyKeepsTheNewestOfEachDay) {
  RetentionPolicy policy;
  policy.daily = 2;
  // 15:06, 09:06, 03:06 of one day, then 21:06 of the day before.
  EXPECT_EQ(Kept("PPPPPPPP", policy, absl::Hours(6)), "P--P----");
}

TEST(RetentionPlan, ADayWithoutABackupDoesNotCount) {
  RetentionPolicy policy;
  policy.daily = 3;
  EXPECT_EQ(Kept("PPPPP", policy, absl::Hours(24 * 10)), "PPP--");
}

TEST(RetentionPlan, WeeksBeginOnMonday) {
  RetentionPolicy policy;
  policy.weekly = 2;
  // Sunday 15th; its week goes back to Monday the 9th, and Sunday the 8th is in the one before.
  EXPECT_EQ(Kept("PPPPPPPPP", policy), "P------P-");
}

TEST(RetentionPlan, AWeekMayLieInTwoYears) {
  RetentionPolicy policy;
  policy.weekly = 5;
  std::vector<BackupInfo> backups;
  for (const absl::CivilDay day : {absl::CivilDay(2025, 1, 1), absl::CivilDay(2024, 12, 30)}) {
    backups.push_back(BackupAt(absl::FromCivil(day, absl::UTCTimeZone()), true));
  }
  const std::vector<KeepReasons> plan = PlanRetention(backups, policy, kNow);
  EXPECT_NE(plan[0], 0);
  EXPECT_EQ(plan[1], 0);
}

TEST(RetentionPlan, MonthlyAndYearlyGoByTheCalendar) {
  RetentionPolicy monthly;
  monthly.monthly = 2;
  RetentionPolicy yearly;
  yearly.yearly = 2;
  std::vector<BackupInfo> backups;
  for (const absl::CivilDay day :
       {absl::CivilDay(2025, 3, 1), absl::CivilDay(2025, 2, 28), absl::CivilDay(2025, 2, 1),
        absl::CivilDay(2024, 12, 31), absl::CivilDay(2024, 12, 30)}) {
    backups.push_back(BackupAt(absl::FromCivil(day, absl::UTCTimeZone()), true));
  }
  const auto kept = [&](const RetentionPolicy& policy) {
    std::string text;
    for (const KeepReasons reasons : PlanRetention(backups, policy, kNow)) {
      text += reasons == 0 ? '-' : 'P';
    }
    return text;
  };
  EXPECT_EQ(kept(monthly), "PP---");
  EXPECT_EQ(kept(yearly), "P--P-");
}

TEST(RetentionPlan, WithinCountsFromTheNewestBackup) {
  RetentionPolicy policy;
  policy.within = absl::Hours(48);
  EXPECT_EQ(Kept("PPPPP", policy), "PPP--");
  // Nobody has made a backup for years: nothing runs out.
  EXPECT_EQ(Kept("PPPPP", policy, absl::Hours(24), kNow + absl::Hours(50'000)), "PPP--");
}

TEST(RetentionPlan, ABackupFromTheFutureDoesNotMakeWithinRunOut) {
  RetentionPolicy policy;
  policy.within = absl::Hours(48);
  std::vector<BackupInfo> backups = Backups("PPP");
  backups.insert(backups.begin(), BackupAt(kNow + absl::Hours(90'000), true));
  for (const KeepReasons reasons : PlanRetention(backups, policy, kNow)) EXPECT_NE(reasons, 0);
}

TEST(RetentionPlan, WithinCoversUnprovenOnes) {
  RetentionPolicy policy;
  policy.within = absl::Hours(48);
  EXPECT_EQ(Kept("PuPuu", policy), "PuP--");
}

TEST(RetentionPlan, CountsEachStemByItself) {
  std::vector<BackupInfo> backups = Backups("PPP", absl::Hours(24), "a");
  for (const BackupInfo& backup : Backups("PP", absl::Hours(24), "b")) backups.push_back(backup);
  const std::vector<KeepReasons> plan = PlanRetention(backups, Last(2), kNow);
  EXPECT_EQ(std::count(plan.begin(), plan.end(), 0), 1);
  EXPECT_EQ(plan[2], 0);
}

TEST(RetentionPlan, NeverTakesTheBackupJustMadeWhereverItsNameSorts) {
  // A clock that was ahead once left three names in the future; the new one sorts behind them.
  const std::vector<BackupInfo> backups = Backups("PPPP");
  EXPECT_EQ(PlanRetention(backups, Last(3), kNow)[3], 0);
  EXPECT_EQ(PlanRetention(backups, Last(3), kNow, backups[3].name)[3], kKeepJustMade);
}

TEST(RetentionPlan, SaysWhy) {
  RetentionPolicy policy = Last(1);
  policy.daily = 2;
  policy.within = absl::Hours(1);
  const std::vector<BackupInfo> backups = Backups("PPPu");
  const std::vector<KeepReasons> plan = PlanRetention(backups, policy, kNow);
  EXPECT_EQ(ReasonText(backups[0], plan[0]), "newest, last, daily, within");
  EXPECT_EQ(ReasonText(backups[1], plan[1]), "daily");
  EXPECT_EQ(ReasonText(backups[2], plan[2]), "no rule keeps it");
  EXPECT_EQ(ReasonText(backups[3], plan[3]), "unproven, and enough newer proven ones are kept");
  EXPECT_EQ(policy.ToString(), "last 1, daily 2, within 1h");
  EXPECT_EQ(RetentionPolicy().ToString(), "all");
}

// What has to hold of any history under any policy.
class AnyHistory : public ::testing::TestWithParam<int> {
 protected:
  AnyHistory() : random_(static_cast<unsigned>(GetParam())) {
    absl::Time time = kNow + absl::Hours(Upto(3));
    const int count = Upto(120);
    for (int i = 0; i < count; ++i) {
      backups_.push_back(BackupAt(time, Upto(4) != 0, Upto(3) == 0 ? "w" : "v"));
      time -= absl::Seconds(1 + Upto(Upto(2) == 0 ? 3'600 : 900'000));
    }
    policy_.last = Upto(6);
    policy_.daily = Upto(8);
    policy_.weekly = Upto(5);
    policy_.monthly = Upto(5);
    policy_.yearly = Upto(3);
    policy_.within = absl::Hours(Upto(2) * Upto(500));
    plan_ = PlanRetention(backups_, policy_, kNow);
  }

  int Upto(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  std::mt19937 random_;
  std::vector<BackupInfo> backups_;
  RetentionPolicy policy_;
  std::vector<KeepReasons> plan_;
};

TEST_P(AnyHistory, KeepsTheUnionOfWhatEachRuleKeepsByItself) {
  if (policy_.KeepsAll()) GTEST_SKIP() << "no rule";
  std::vector<RetentionPolicy> rules(6);
  rules[0].last = policy_.last;
  rules[1].daily = policy_.daily;
  rules[2].weekly = policy_.weekly;
  rules[3].monthly = policy_.monthly;
  rules[4].yearly = policy_.yearly;
  rules[5].within = policy_.within;
  std::vector<bool> kept(backups_.size(), false);
  for (const RetentionPolicy& rule : rules) {
    if (rule.KeepsAll()) continue;
    const std::vector<KeepReasons> plan = PlanRetention(backups_, rule, kNow);
    for (size_t i = 0; i < plan.size(); ++i) kept[i] = kept[i] || plan[i] != 0;
  }
  for (size_t i = 0; i < plan_.size(); ++i) {
    if (backups_[i].proven) {
      EXPECT_EQ(plan_[i] != 0, kept[i]) << backups_[i].name;
    }
  }
}

TEST_P(AnyHistory, KeepsOneOfEachPeriodAsOftenAsAsked) {
  if (policy_.KeepsAll()) GTEST_SKIP() << "no rule";
  std::map<std::string, std::set<absl::CivilDay>> days;  // by stem: all that have a proven backup
  std::map<std::string, std::set<absl::CivilDay>> kept;  // and those kept for their day
  std::map<std::string, int> last;
  std::map<std::string, int> proven;
  for (size_t i = 0; i < backups_.size(); ++i) {
    if (!backups_[i].proven) continue;
    const ArchiveName& parsed = backups_[i].parsed;
    const absl::CivilDay day = absl::ToCivilDay(parsed.time, absl::UTCTimeZone());
    const bool first_of_day = days[parsed.stem].insert(day).second;
    ++proven[parsed.stem];
    if ((plan_[i] & kKeepLast) != 0) ++last[parsed.stem];
    if ((plan_[i] & kKeepDaily) == 0) continue;
    EXPECT_TRUE(first_of_day) << backups_[i].name;
    kept[parsed.stem].insert(day);
  }
  for (const auto& [stem, all] : days) {
    const size_t wanted = std::min<size_t>(all.size(), static_cast<size_t>(policy_.daily));
    ASSERT_EQ(kept[stem].size(), wanted);
    // The newest days, and no others.
    EXPECT_TRUE(std::equal(kept[stem].rbegin(), kept[stem].rend(), all.rbegin()));
    EXPECT_EQ(last[stem], std::min(proven[stem], policy_.last));
  }
}

TEST_P(AnyHistory, KeepsTheNewestProvenOneAndTheOneJustMade) {
  std::set<std::string> seen;
  for (size_t i = 0; i < backups_.size(); ++i) {
    if (backups_[i].proven && seen.insert(backups_[i].parsed.stem).second) {
      EXPECT_NE(plan_[i], 0) << backups_[i].name;
    }
  }
  for (const BackupInfo& backup : backups_) {
    const std::vector<KeepReasons> plan = PlanRetention(backups_, policy_, kNow, backup.name);
    EXPECT_NE(plan[static_cast<size_t>(&backup - backups_.data())], 0);
  }
}

TEST_P(AnyHistory, PrunedOnceStaysAsItIs) {
  std::vector<BackupInfo> left;
  for (size_t i = 0; i < backups_.size(); ++i) {
    if (plan_[i] != 0) left.push_back(backups_[i]);
  }
  for (const KeepReasons reasons : PlanRetention(left, policy_, kNow)) EXPECT_NE(reasons, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyHistory, ::testing::Range(0, 60));

}  // namespace
}  // namespace volstream
