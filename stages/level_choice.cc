#include "stages/level_choice.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

constexpr double kFastEnough = 0.9;

}  // namespace

Expectation Expect(const KernelTimes& times, const MachineRates& rates) {
  const double bytes = static_cast<double>(times.source_bytes);
  const double read = rates.read_seconds_per_byte;
  const double compress = times.of(Kernel::kEncode) / bytes;
  const double md5 = (times.of(Kernel::kStreamDigest) + times.of(Kernel::kPartDigest)) / bytes;
  const double work = read + compress + md5 + times.of(Kernel::kCopy) / bytes;
  const double serial = times.SerialSecondsPerByte();
  const double upload =
      rates.upload_bytes_per_second > 0
          ? static_cast<double>(times.encoded_bytes) / bytes / rates.upload_bytes_per_second
          : 0;
  const double spread = work / rates.workers;
  Expectation expected;
  expected.bytes_per_second = 1 / std::max({spread, serial, upload, 1e-15});
  if (upload >= std::max(spread, serial)) {
    expected.binds = Bottleneck::kNetwork;
  } else if (serial > spread || md5 >= std::max(read, compress)) {
    expected.binds = Bottleneck::kMd5;
  } else {
    expected.binds = compress >= read ? Bottleneck::kCompress : Bottleneck::kRead;
  }
  return expected;
}

std::string LevelName(const LevelFigures& level) {
  return absl::StrCat(ToAbsl(FormatName(level.format)), " ", level.level);
}

LevelChoice ChooseLevel(const std::vector<LevelFigures>& levels, bool upload_known) {
  const auto speed = [&levels](size_t i) { return levels[i].expected.bytes_per_second; };
  size_t fastest = 0;
  for (size_t i = 1; i < levels.size(); ++i) {
    if (speed(i) > speed(fastest)) fastest = i;
  }
  LevelChoice choice{fastest, ""};
  for (size_t i = 0; i < levels.size(); ++i) {
    if (speed(i) >= kFastEnough * speed(fastest) &&
        levels[i].SizeRatio() < levels[choice.index].SizeRatio()) {
      choice.index = i;
    }
  }
  const LevelFigures& chosen = levels[choice.index];
  choice.reason = absl::StrFormat(
      "%.0f MB/s are expected, bound by %s, and %.1f %% of the size; ", speed(choice.index) / 1e6,
      ToAbsl(BottleneckName(chosen.expected.binds)), 100 * chosen.SizeRatio());
  if (choice.index == fastest) {
    absl::StrAppend(&choice.reason,
                    "no level is faster, and none that is nearly as fast is smaller");
  } else {
    absl::StrAppendFormat(
        &choice.reason, "the smallest within 10 %% of the fastest (%s: %.0f MB/s, %.1f %%)",
        LevelName(levels[fastest]), speed(fastest) / 1e6, 100 * levels[fastest].SizeRatio());
  }
  if (!upload_known)
    absl::StrAppend(&choice.reason, "; a slow network asks for a higher one: --to");
  return choice;
}

}  // namespace volstream
