// The records of pax extended headers ("LENGTH keyword=value\n"; IEEE Std 1003.1, pax, "pax
// Extended Header"), and what those that volstream knows say of an entry: the standard ones, GNU
// tar's (GNU.sparse.*), star's (SCHILY.xattr.*, SCHILY.acl.*, SCHILY.dev*). Others are passed over.
//
// Threads: one at a time. Errors: kDataLoss, without the place.
#ifndef VOLSTREAM_STAGES_PAX_RECORDS_H_
#define VOLSTREAM_STAGES_PAX_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace volstream {

// Takes one record after another from the front of some extended header's data.
class PaxRecordReader {
 public:
  // Zeros behind the last record are no error: some writers pad.
  explicit PaxRecordReader(std::string_view data) : rest_(data) {}
  // False if there is no more. The views are into the data.
  absl::StatusOr<bool> Next();
  std::string_view keyword() const { return keyword_; }
  std::string_view value() const { return value_; }

 private:
  std::string_view rest_;
  std::string_view keyword_;
  std::string_view value_;
};

struct PaxTime {
  int64_t seconds = 0;       // rounded down
  uint32_t nanoseconds = 0;  // towards the future, whatever the sign of the seconds

  friend bool operator==(const PaxTime&, const PaxTime&) = default;
};
// Decimal seconds, perhaps with a sign and a fraction, which belongs to the whole signed number:
// "-0.25" is a quarter of a second before 1970. Digits beyond nine are cut off. Nothing if the text
// is no such number or too large.
std::optional<PaxTime> ParsePaxTime(std::string_view text);

// A decimal number without sign. Nothing if the text is none or the number is over `max`.
std::optional<uint64_t> ParsePaxNumber(std::string_view text, uint64_t max);

// What the records before an entry say. A text that is empty says nothing: the header's field
// counts.
struct PaxFields {
  std::string path;
  std::string link_path;
  std::string user_name;
  std::string group_name;
  std::optional<uint64_t> size;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<PaxTime> mtime;
  std::optional<uint32_t> device_major;
  std::optional<uint32_t> device_minor;
  // These are never global: a global header's are passed over, so that nothing adds up.
  std::vector<std::pair<std::string, std::string>> attributes;  // names decoded
  std::string access_acl;
  std::string default_acl;
  // GNU sparse formats: 1.0 has both versions, 0.1 a map, 0.0 neither.
  bool sparse = false;
  bool sparse_map = false;  // in a record
  std::string sparse_major;
  std::string sparse_minor;
  std::string sparse_name;
  std::optional<uint64_t> sparse_bytes;  // the file's size

  // The kernel lists at most 64 KiB of names for one file.
  static constexpr size_t kMaxAttributes = 16'384;

  // Adds a header's records; of two for the same the later one counts.
  absl::Status Add(std::string_view data, bool global);
  // Makes it say nothing, keeping the memory of short texts.
  void Clear();

 private:
  absl::Status AddRecord(std::string_view keyword, std::string_view value);
  absl::Status AddSparseRecord(std::string_view keyword, std::string_view value);
  bool clear_ = true;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PAX_RECORDS_H_
