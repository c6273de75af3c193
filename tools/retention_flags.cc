#include "tools/retention_flags.h"

#include <stdlib.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

constexpr int kMaxFailuresShown = 20;
// Longer than any backup is old, and far from the end of absl::Duration.
constexpr int64_t kMaxHours = int64_t{1000} * 365 * 24;

absl::StatusOr<int> KeepLastFromEnvironment(StorageKind kind) {
  const bool local = kind == StorageKind::kLocal;
  const char* name = local ? "BACKUP_RETENTION_LOCAL" : "BACKUP_RETENTION_S3";
  const char* text = getenv(name);
  if (text == nullptr || *text == '\0') return local ? kDefaultKeepLocal : kDefaultKeepS3;
  int keep = 0;
  if (!absl::SimpleAtoi(text, &keep) || keep < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is \"", text, "\": give the number of backups to keep, 0 for all"));
  }
  return keep;
}

int64_t HoursOf(char unit) {
  switch (unit) {
    case 'h':
      return 1;
    case 'd':
      return 24;
    case 'w':
      return 7 * 24;
    case 'y':
      return 365 * 24;
    default:
      return 0;
  }
}

}  // namespace

absl::StatusOr<absl::Duration> ParseKeepWithin(std::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("--keep-within \"", ToAbsl(text), "\": give a time such as 12h, 30d, 2w or 1y"));
  int64_t hours = 0;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[end]))) ++end;
    int64_t count = 0;
    if (end == text.size() || !absl::SimpleAtoi(ToAbsl(text.substr(at, end - at)), &count)) {
      return bad;
    }
    const int64_t unit = HoursOf(text[end]);
    if (unit == 0 || count > kMaxHours / unit) return bad;
    hours += count * unit;
    at = end + 1;
  }
  if (hours == 0 || hours > kMaxHours) return bad;
  return absl::Hours(hours);
}

void RetentionFlags::AddTo(CLI::App* app) {
  const std::string group = "Retention";
  app->add_option("--keep-last", keep_last_,
                  "Proven backups of each name to keep at each destination; 0 for all, or, where "
                  "another --keep-... is given, for no rule of this kind; default: "
                  "$BACKUP_RETENTION_LOCAL (10), $BACKUP_RETENTION_S3 (20)")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  const auto add_count = [&](const std::string& flag, int* count, const std::string& period) {
    app->add_option(flag, *count, "Also the newest backup of each of so many " + period + " (UTC)")
        ->check(CLI::NonNegativeNumber)
        ->group(group);
  };
  add_count("--keep-daily", &keep_daily_, "days");
  add_count("--keep-weekly", &keep_weekly_, "weeks");
  add_count("--keep-monthly", &keep_monthly_, "months");
  add_count("--keep-yearly", &keep_yearly_, "years");
  app->add_option("--keep-within", keep_within_,
                  "Also all that are at most so much older than the newest: 12h, 30d, 2w, 1y")
      ->group(group);
  app->add_option("--min-size-ratio", min_size_ratio_,
                  "Remove nothing when the newest backup has less than this share of the bytes of "
                  "the largest one that would go; 0 = whatever its size (0.1)")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group);
}

absl::StatusOr<RetentionOptions> RetentionFlags::For(StorageKind kind) const {
  RetentionOptions options;
  RetentionPolicy& policy = options.policy;
  policy.last = keep_last_;
  if (keep_last_ < 0) {
    VS_ASSIGN_OR_RETURN(policy.last, KeepLastFromEnvironment(kind));
    // The environment's 0 says that all are to stay, and a rule would take that back.
    if (policy.last == 0) return options;
  }
  policy.daily = keep_daily_;
  policy.weekly = keep_weekly_;
  policy.monthly = keep_monthly_;
  policy.yearly = keep_yearly_;
  if (!keep_within_.empty()) {
    VS_ASSIGN_OR_RETURN(policy.within, ParseKeepWithin(keep_within_));
  }
  options.min_size_ratio = min_size_ratio_;
  return options;
}

absl::StatusOr<uint64_t> Prune(Storage* storage, const RetentionLook& look, Log* log) {
  for (const std::string& text : look.warnings) log->Warning(text);
  for (const auto& [index, text] : look.locks) {
    log->Info(absl::StrCat(storage->UrlOf(look.backups[index].name), " stays: ", text));
  }
  if (look.removals() == 0) return 0;
  uint64_t failures = 0;
  VS_ASSIGN_OR_RETURN(const RetentionOutcome outcome,
                      RemoveAsPlanned(
                          storage, look,
                          [&](const BackupInfo& backup) {
                            log->Info(absl::StrCat("removed ", storage->UrlOf(backup.name), " (",
                                                   BytesText(backup.bytes), ")"));
                          },
                          [&](const std::string&, const absl::Status& reason) {
                            if (++failures <= kMaxFailuresShown)
                              log->Warning(std::string(reason.message()));
                          }));
  if (outcome.removed > 0) {
    if (const std::string note = storage->RemovalNote(); !note.empty()) log->Info(note);
  }
  if (outcome.failed == 0) return outcome.removed;
  return WithContext(outcome.first_failure,
                     absl::StrCat(outcome.removed, " old backups were removed, but ",
                                  outcome.failed, " objects could not be"));
}

}  // namespace volstream
