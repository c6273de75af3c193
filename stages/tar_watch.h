// TarWatch: looks at a tar stream made elsewhere while it passes, so that one that was cut short is
// never taken for a whole one: every header's checksum, and the end mark after the last entry.
//
// Reads ustar, pax ('x', 'g': a `size` record is obeyed) and GNU tar ('L', 'K', base-256 numbers);
// POSIX "pax Interchange Format" and GNU tar's manual. A GNU sparse entry's extended headers ('S')
// are not followed; no engine writes them.
// Threads: one at a time. Errors: kDataLoss, with the offset.
#ifndef VOLSTREAM_STAGES_TAR_WATCH_H_
#define VOLSTREAM_STAGES_TAR_WATCH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "engine/bytes.h"
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

 private:
  absl::Status OnHeader();
  absl::Status ReadPax();

  std::array<uint8_t, kTarBlockBytes> header_ = {};
  size_t header_bytes_ = 0;       // of header_ that have come
  uint64_t data_left_ = 0;        // of the current entry, padding included
  bool collects_ = false;         // the data is pax records
  std::string pax_;               // which end up here
  std::optional<uint64_t> size_;  // of the next entry, from its pax header
  int zero_blocks_ = 0;           // one after another
  uint64_t entries_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_WATCH_H_
