// Verification: what `volstream verify` found of one archive, kept beside it as
// NAME.tar.gz.verify.json. One replaces the one before it, unless that looked deeper.
#ifndef VOLSTREAM_STAGES_VERIFICATION_H_
#define VOLSTREAM_STAGES_VERIFICATION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace volstream {

struct Verification {
  // Of what was found wrong, so much is kept: errors, and bytes of each.
  static constexpr size_t kMaxErrors = 100;
  static constexpr size_t kMaxErrorBytes = 1'000;

  std::string archive;  // object name, without the destination
  std::string level;    // "quick", "deep" or "drill"
  bool ok = false;
  absl::Time checked;   // when it ended
  std::string version;  // of volstream
  // Of the archive, as the destination had it; bytes are 0 in records of older versions.
  uint64_t bytes = 0;
  std::string etag;
  absl::Time modified = absl::InfinitePast();
  uint64_t bytes_read = 0;
  double seconds = 0;
  double restore_seconds = 0;  // of a drill: how long the restore took
  std::vector<std::string> errors;
  uint64_t error_count = 0;  // more than `errors` holds, when there were very many
  // Where the whole archive was read; the MD5 only if the receipt has one, or there is no receipt.
  std::string archive_md5;
  std::string archive_xxh3;  // of an archive made of volstream's members

  // Whether this one, of the same archive, is to stay in the place of the newer one: it looked
  // deeper, or found a fault that the newer one did not look for, at the same bytes.
  bool OutweighsNewer(const Verification& newer) const;

  // Counts it, and keeps it within the bounds.
  void AddError(std::string_view text);
  std::string ToJson() const;
  // kDataLoss if the text is no verification of a version that this program knows.
  static absl::StatusOr<Verification> FromJson(std::string_view text);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VERIFICATION_H_
