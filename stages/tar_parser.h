// TarParser: the one place that knows what the headers of a tar stream mean. It is pushed: who has
// the bytes asks what it wants next and hands it over; contents never pass through it. TarReader
// (pulls) and TarWatch (watches) are built on it.
//
// Reads ustar, V7, GNU tar ('L', 'K', base-256 numbers), pax ('x', also as Solaris's 'X'; 'g', but
// for what makes sense of one file only) and GNU sparse format 1.0; POSIX "pax Interchange Format",
// GNU tar's manual. A hard link of a size above 0 may have data (pax -o linkdata) or not (old
// tars); the block after it tells: no header, so data. Directories, symlinks, devices and FIFOs
// have none, whatever their size says.
//
// Threads: one at a time. Memory: an entry's own texts; of all its extended headers together at
// most kMaxPaxBytes. Errors: kDataLoss, with the byte of the tar.
#ifndef VOLSTREAM_STAGES_TAR_PARSER_H_
#define VOLSTREAM_STAGES_TAR_PARSER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/bytes.h"
#include "stages/entry_info.h"
#include "stages/pax_records.h"
#include "stages/tar_fields.h"

namespace volstream {

// Extended attributes are the largest records; the kernel allows 64 KiB for one value.
inline constexpr uint64_t kMaxPaxBytes = 16 * kMiB;

// A name in an archive as EntryInfo::path has it: without "./" in front and '/' at the end.
std::string_view EntryPathOf(std::string_view name);

class TarParser {
 public:
  // kBlock: the next block, which is a header or the like.
  // kPeek: to see the next block, which is then wanted again, or belongs to the entry's data.
  // kExtension: the next bytes of an extended header's data.
  // kEntry: entry() is complete; PassEntry, once its data have been taken from the stream.
  // kRest: the end mark has come; what follows may only be zeros.
  enum class Wants { kBlock, kPeek, kExtension, kEntry, kRest };

  explicit TarParser(uint64_t tar_offset = 0) : offset_(tar_offset) {}

  Wants wants() const { return wants_; }
  // Where in the tar the next bytes that it wants lie.
  uint64_t offset() const { return offset_; }

  // Each REQUIRES that wants() says so. Blocks have kTarBlockBytes.
  absl::Status OnBlock(ByteSpan block);
  void OnPeek(ByteSpan block);  // empty where the stream ends
  uint64_t extension_left() const { return extension_left_; }
  absl::Status OnExtension(ByteSpan bytes);  // at most extension_left()
  absl::Status OnRest(ByteSpan bytes);
  void PassEntry();

  // The stream ends, `more` bytes behind offset(): an error unless the end mark has come, or, of a
  // fragment, all that belongs to the last entry.
  absl::Status OnEnd(uint64_t more, bool fragment) const;

  // From kEntry until the next block.
  const RestoreEntry& entry() const { return entry_; }
  const EntryPlace& place() const { return place_; }
  // Why its content cannot be told apart; empty if it can.
  const std::string& odd() const { return odd_; }

 private:
  absl::Status OnZeroBlock();
  absl::Status BeginExtension(char type, uint64_t bytes);
  absl::Status EndExtension();
  absl::Status OnEntry(const TarFields& header);
  absl::Status SetNumbers(const TarFields& header);
  absl::Status SetContent(const TarFields& header, uint64_t stored_bytes);
  void SetTexts(const TarFields& header);
  void SetSparseContent();
  // The place is that of the last block, or of the extended header that has just ended.
  absl::Status Damaged(std::string_view what) const;

  Wants wants_ = Wants::kBlock;
  uint64_t offset_ = 0;
  uint64_t header_offset_ = 0;  // of the header that is being read
  int zero_blocks_ = 0;         // one after another
  bool map_goes_on_ = false;    // the next block is one of an old GNU sparse entry's map

  // Of the entry to come.
  bool described_ = false;        // an extended header came
  uint64_t first_offset_ = 0;     // of the first such
  uint64_t described_bytes_ = 0;  // of their data
  PaxFields pax_;
  std::string long_name_;  // GNU's 'L'; empty = none
  std::string long_link_;  // and 'K'

  // The extended header that is being read.
  char extension_type_ = 0;
  uint64_t extension_bytes_ = 0;
  uint64_t extension_left_ = 0;  // padding included
  std::string extension_;

  PaxFields global_;

  RestoreEntry entry_;
  EntryPlace place_;
  std::string odd_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_PARSER_H_
