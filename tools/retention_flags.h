// RetentionFlags: what `backup` and `prune` know of retention, and the pruning that both do.
#ifndef VOLSTREAM_TOOLS_RETENTION_FLAGS_H_
#define VOLSTREAM_TOOLS_RETENTION_FLAGS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/retention.h"
#include "stages/storage.h"
#include "tools/log.h"

namespace volstream {

class RetentionFlags {
 public:
  void AddTo(CLI::App* app);

  // The flags, and for what they leave open the environment and the defaults of this kind of
  // destination. kInvalidArgument names the flag or variable that cannot be read.
  absl::StatusOr<RetentionOptions> For(StorageKind kind) const;

 private:
  int keep_last_ = -1;  // -1 = from the environment, by kind of destination
  int keep_daily_ = 0;
  int keep_weekly_ = 0;
  int keep_monthly_ = 0;
  int keep_yearly_ = 0;
  std::string keep_within_;
  double min_size_ratio_ = kDefaultMinSizeRatio;
};

// "30d", "12h", "2w", "1y6h": h, d, w (7 days) and y (365 days). kInvalidArgument for all else; a
// month is none, since nobody could tell it from a minute.
absl::StatusOr<absl::Duration> ParseKeepWithin(std::string_view text);

// Removes what `look` says and tells the log; the number of backups removed. What could not be
// removed is warned of and is the error once the rest is done.
absl::StatusOr<uint64_t> Prune(Storage* storage, const RetentionLook& look, Log* log);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_RETENTION_FLAGS_H_
