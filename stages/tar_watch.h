// TarWatch: looks at a tar stream made elsewhere while it passes, so that one that was cut short is
// never taken for a whole one: every header's checksum, and the end mark after the last entry.
//
// Reads ustar, pax ('x', 'g': a `size` record is obeyed) and GNU tar ('L', 'K', base-256 numbers);
// POSIX "pax Interchange Format" and GNU tar's manual; a GNU sparse entry ('S') has blocks between
// header and data that no size counts. A hard link of a size above 0 may have data (pax -o
// linkdata) or not (old tars); the block after it tells: no header, so data. Threads: one at a
// time. Errors: kDataLoss, with the offset.
#ifndef VOLSTREAM_STAGES_TAR_WATCH_H_
#define VOLSTREAM_STAGES_TAR_WATCH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "engine/bytes.h"
#include "stages/sqlite_snapshot.h"
#include "stages/tar_header.h"

namespace volstream {

class TarWatch {
 public:
  // The next bytes of the stream, cut wherever it happens.
  absl::Status Feed(ByteSpan bytes);
  // The stream has ended: an error unless it did so after its end mark.
  absl::Status Finish() const;

  uint64_t entries() const { return entries_; }  // headers that describe others do not count
  uint64_t bytes() const { return offset_; }
  // Regular files whose data begin as SQLite databases do.
  uint64_t sqlite_files() const { return sqlite_files_; }

 private:
  absl::Status OnBlock();
  absl::Status OnHeader();
  // Takes from the front of `bytes` what is data; how much.
  size_t TakeData(ByteSpan bytes);
  absl::Status ReadPax();

  std::array<uint8_t, kTarBlockBytes> header_ = {};
  size_t header_bytes_ = 0;      // of header_ that have come
  uint64_t data_left_ = 0;       // of the current entry, padding included
  bool sparse_map_ = false;      // the next block goes on with a sparse entry's map
  uint64_t link_data_left_ = 0;  // of a hard link, if it has data
  std::array<uint8_t, kSqliteMagicBytes> start_ = {};  // of the current file's data
  size_t start_left_ = 0;                              // of start_, still to come
  bool collects_ = false;                              // the data is pax records
  std::string pax_;                                    // which end up here
  std::optional<uint64_t> size_;                       // of the next entry, from its pax header
  int zero_blocks_ = 0;                                // one after another
  uint64_t entries_ = 0;
  uint64_t sqlite_files_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_WATCH_H_
