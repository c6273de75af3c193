// SalvageArchive: restores what is left of a damaged archive.
//
// A file that lost a part of its data is made under its own name, as long as it was, with zeros in
// place of what is lost; each has a line of warning. An entry whose header is lost is lost; it has
// a line too where the archive's index is intact, which names it.
#ifndef VOLSTREAM_STAGES_SALVAGE_H_
#define VOLSTREAM_STAGES_SALVAGE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/path_selection.h"
#include "stages/salvage_reader.h"
#include "stages/tree_writer.h"

namespace volstream {

struct SalvageOptions {
  PathSelection selection;  // of the entries to be restored
  // Hears of damaged and lost entries and of ranges that are lost; may be empty.
  std::function<void(std::string_view)> on_warning;
  const std::atomic<bool>* cancelled = nullptr;  // borrowed; may be null
};

struct SalvageReport {
  // Gaps kept; more are only counted.
  static constexpr size_t kMaxGaps = 1'000;

  bool has_index = false;  // it is intact; else nobody knows what is lost
  bool saw_end = false;    // the tar's end mark came
  uint64_t whole = 0;      // selected entries that are as they were
  uint64_t damaged = 0;
  uint64_t lost = 0;  // 0 without the index
  std::vector<SalvageGap> gaps;
  uint64_t gap_count = 0;
  uint64_t archive_bytes_lost = 0;
  TreeWriterReport written;
  std::vector<std::string> unmatched;  // patterns of the selection that selected nothing

  // Nothing is lost, as far as that can be known.
  bool is_complete() const { return gap_count == 0 && damaged == 0 && lost == 0 && saw_end; }
};

// Finishes the writer. Errors: of the storage and of the writer; kFailedPrecondition for a stream
// that is no tar; ErrorKind::kInterrupted. Damage is none: see the report.
absl::StatusOr<SalvageReport> SalvageArchive(ArchiveFile* file, const SalvageOptions& options,
                                             TreeWriter* writer);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SALVAGE_H_
