// SalvageReader: the entries of a damaged archive's tar, as far as its members are intact.
//
// A gap of known size inside of a file's data leaves a hole in the file, and what follows keeps its
// place. At any other gap the entry that it cuts ends there, and reading goes on at the next entry:
// where the index says that one begins or, without an index, at the next block of 512 bytes that is
// a header of ustar or pax with a right checksum. There, a tar inside of the damaged archive may
// be taken for a part of it; names that do not begin with "./" where those before did are passed
// over.
//
// Threads: one at a time. Errors: what the storage says; damage is none.
#ifndef VOLSTREAM_STAGES_SALVAGE_READER_H_
#define VOLSTREAM_STAGES_SALVAGE_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/entry_reader.h"
#include "stages/salvage_feed.h"
#include "stages/salvage_input.h"
#include "stages/tar_reader.h"

namespace volstream {

// A range of the archive that is lost.
struct SalvageGap {
  uint64_t archive_offset = 0;
  uint64_t archive_bytes = 0;
  std::optional<uint64_t> tar_offset;
  std::optional<uint64_t> tar_bytes;
};

struct DamagedEntry {
  std::string path;
  uint64_t bytes = 0;       // of its content, holes included
  uint64_t lost_bytes = 0;  // of what is stored of it
  // Its header may be a part of what it was: an extended header before it may be lost, with
  // attributes, the fraction of its time, or the like.
  bool header_in_doubt = false;
};

struct SalvageReaderOptions {
  // Where entries begin in the tar, rising, as an intact index says; empty if there is none.
  std::vector<uint64_t> entry_offsets;
  std::function<void(const SalvageGap&)> on_gap;        // may be empty
  std::function<void(const DamagedEntry&)> on_damaged;  // once its data have ended; may be empty
};

class SalvageReader : public EntryReader {
 public:
  // The input must outlive it.
  SalvageReader(SalvageInput* input, SalvageReaderOptions options);

  absl::StatusOr<const RestoreEntry*> Next() override;
  absl::StatusOr<EntryData> NextData() override;

  // Of the current entry, in the tar; known where the index is, or no gap of unknown size before.
  std::optional<uint64_t> tar_offset() const { return tar_offset_; }
  // Of the current entry: as TarReader::odd.
  const std::string& odd() const { return odd_; }
  // Whether the tar's end mark came.
  bool saw_end() const { return saw_end_; }

 private:
  // Reads what is left of the current entry, then says whether it is damaged.
  absl::Status FinishEntry();
  // Of a failure of reader_: OK where it is damage, from which reading goes on.
  absl::Status Stumbled(uint64_t resume);
  // Sets reader_ to read from the next entry that can be found; false at the end.
  absl::StatusOr<bool> Resync();
  // Where in the member an entry begins, from its byte `from` on; sets in_doubt_.
  std::optional<size_t> FindEntry(const SalvageItem& item, size_t from);
  bool CanBegin(ByteSpan chunk, size_t at, bool* in_doubt) const;

  const SalvageReaderOptions options_;
  SalvageFeed feed_;
  std::unique_ptr<TarReader> reader_;  // of what lies between two gaps; null where one must resync
  uint64_t resume_ = 0;                // the feed's position from which a resync searches
  bool in_doubt_ = false;              // the next entry's pax header may be lost
  bool own_names_ = false;             // names begin with "./"
  bool saw_end_ = false;
  bool ended_ = false;

  // The current entry.
  bool in_entry_ = false;
  DamagedEntry entry_;
  std::optional<uint64_t> tar_offset_;
  uint64_t lost_bytes_ = 0;
  std::string odd_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SALVAGE_READER_H_
