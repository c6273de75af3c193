// Receipt: what is known of one archive, kept beside it as NAME.tar.gz.receipt.json. Writing it is
// the commit point of a backup: an archive without one is unproven.
#ifndef VOLSTREAM_STAGES_RECEIPT_H_
#define VOLSTREAM_STAGES_RECEIPT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/part_sizes.h"
#include "stages/level_history.h"

namespace volstream {

struct Receipt {
  std::string archive;  // object name, without the destination
  uint64_t bytes = 0;   // of the archive
  std::string md5;      // of the archive; empty if the backup was made without
  std::string xxh3;
  std::string etag;  // as the destination gave it; empty where it gives none
  // What the destination says of the object: "proof", "encryption", "version_id", "checksum".
  std::map<std::string, std::string> object;
  // Part i, from 0, has min(part_bytes + part_step_bytes * (i / parts_per_step), max_part_bytes)
  // bytes, but for the last; part_bytes where part_step_bytes is 0.
  uint64_t part_bytes = 0;
  uint64_t part_step_bytes = 0;
  uint64_t parts_per_step = 0;
  uint64_t max_part_bytes = 0;
  uint64_t part_count = 0;

  uint64_t tar_bytes = 0;
  uint64_t index_bytes = 0;  // of the index at the archive's end; 0 if it has none
  uint64_t entries = 0;
  uint64_t sqlite_snapshots = 0;  // databases stored as consistent copies
  uint64_t excluded = 0;          // names that options left out, with all below them
  uint64_t blocks = 0;
  uint64_t blocks_stored = 0;
  std::string codec;                   // FormatName: "gzip" or "zstd"
  int level = 0;                       // the one it began with, where `levels` says more
  std::optional<LevelHistory> levels;  // of a run whose level moved by itself

  std::string source;
  std::string host;
  std::string version;  // of volstream
  absl::Time started;
  absl::Time finished;
  std::vector<std::string> warnings;
  uint64_t warning_count = 0;  // more than `warnings` holds, when there were very many
  uint64_t missing_count = 0;  // things of the source that could not be read and are left out

  void SetParts(const PartSizes& sizes);
  // Whether it is that of an archive of this name and size.
  bool Fits(std::string_view name, uint64_t archive_bytes) const {
    return archive == name && bytes == archive_bytes;
  }
  std::string ToJson() const;
  // kDataLoss if the text is no receipt of a version that this program knows.
  static absl::StatusOr<Receipt> FromJson(std::string_view text);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RECEIPT_H_
