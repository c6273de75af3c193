#include "tools/progress_line.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace volstream {

std::string BytesText(uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5) {
    value /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return absl::StrFormat("%.*f %s", digits, value, kUnits[unit]);
}

std::string ClockText(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds >= 3600) {
    return absl::StrFormat("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }
  return absl::StrFormat("%d:%02d", seconds / 60, seconds % 60);
}

std::string ProgressLine(const Progress& progress) {
  std::string line;
  if (progress.max_source_bytes > 0) {
    absl::StrAppendFormat(
        &line, "%3d%%  ",
        static_cast<int>(100.0 * progress.source_bytes / progress.max_source_bytes));
  }
  const double seconds = absl::ToDoubleSeconds(progress.elapsed);
  const double rate = seconds > 0 ? progress.source_bytes / seconds : 0;
  absl::StrAppend(&line, BytesText(progress.source_bytes), " in  ",
                  BytesText(progress.encoded_bytes), " out  ",
                  BytesText(static_cast<uint64_t>(rate)), "/s");
  if (progress.encoded_bytes > 0) {
    absl::StrAppendFormat(&line, "  ratio %.2f",
                          static_cast<double>(progress.source_bytes) / progress.encoded_bytes);
  }
  absl::StrAppend(&line, "  ", progress.parts_in_flight, " parts in flight");
  if (rate > 0 && progress.max_source_bytes >= progress.source_bytes) {
    const double left = static_cast<double>(progress.max_source_bytes - progress.source_bytes);
    absl::StrAppend(&line, "  ETA ", ClockText(absl::Seconds(left / rate)));
  }
  return line;
}

}  // namespace volstream
