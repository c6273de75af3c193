// TarWatch: looks at a tar stream made elsewhere while it passes, so that one that was cut short is
// never taken for a whole one: every header, and the end mark after the last entry. It can tell of
// the entries that pass, for an index. What it reads: stages/tar_parser.h.
//
// Threads: one at a time. Errors: kDataLoss, with the offset.
#ifndef VOLSTREAM_STAGES_TAR_WATCH_H_
#define VOLSTREAM_STAGES_TAR_WATCH_H_

#include <array>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "engine/bytes.h"
#include "stages/byte_stream.h"
#include "stages/entry_info.h"
#include "stages/sqlite_header.h"
#include "stages/tar_header.h"
#include "stages/tar_parser.h"

namespace volstream {

class TarWatch {
 public:
  // `visit` hears of each entry, in the order of the stream, when its headers have passed and, of a
  // hard link, the block behind them. An error of it ends the watch, unchanged.
  // Before the first byte.
  void Visit(EntryVisitor visit) { visit_ = std::move(visit); }

  // The next bytes of the stream, cut wherever it happens. After an error nothing more may be fed.
  absl::Status Feed(ByteSpan bytes);
  // The stream has ended: an error unless it did so after its end mark.
  absl::Status Finish() const;

  uint64_t entries() const { return entries_; }  // headers that describe others do not count
  uint64_t bytes() const { return bytes_; }
  // Regular files whose data begin as SQLite databases do.
  uint64_t sqlite_files() const { return sqlite_files_; }

 private:
  // Takes from the front of `bytes` what the parser or the current entry wants; how much.
  absl::StatusOr<size_t> Take(ByteSpan bytes);
  size_t TakeData(ByteSpan bytes);
  absl::Status OnBlock(ByteSpan block);
  absl::Status OnEntry();

  EntryVisitor visit_;
  TarParser parser_;
  std::array<uint8_t, kTarBlockBytes> block_ = {};     // one that is cut
  size_t block_bytes_ = 0;                             // of it that have come
  uint64_t data_left_ = 0;                             // of the current entry, padding included
  std::array<uint8_t, kSqliteMagicBytes> start_ = {};  // of the current file's data
  size_t start_left_ = 0;                              // of start_, still to come
  uint64_t entries_ = 0;
  uint64_t sqlite_files_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_WATCH_H_
