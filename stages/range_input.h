// RangeInput: an archive's own bytes from the first to the last, as pieces that others may keep.
//
// Memory: what its RangeReader takes, and the pieces that are kept.
// Threads and errors: as TarInput, and as RangeReader.
#ifndef VOLSTREAM_STAGES_RANGE_INPUT_H_
#define VOLSTREAM_STAGES_RANGE_INPUT_H_

#include <memory>
#include <optional>
#include <string>

#include "stages/archive_file.h"
#include "stages/digest.h"
#include "stages/entry_reader.h"
#include "stages/inflating_reader.h"
#include "stages/range_reader.h"

namespace volstream {

struct RangeInputOptions {
  uint64_t memory_bytes = 64 * kMiB;  // of reading ahead
  int connections = 8;
  bool want_md5 = false;
};

class RangeInput : public TarInput {
 public:
  // The file must outlive it.
  RangeInput(ArchiveFile* file, RangeInputOptions options);

  absl::StatusOr<SharedBytes> Next() override;
  void Cancel() override { reader_.Cancel(); }

  // After the end, if asked for.
  std::string FinishMd5();

 private:
  // Small, so that a piece of a file that waits to be written keeps little else.
  static constexpr size_t kPieceBytes = 256 * kKiB;

  RangeReader reader_;
  std::optional<Md5Stream> md5_;
};

// The same, inflated: of any gzip or Zstandard file, one member or frame after another on the
// thread that reads. kDataLoss if it is damaged, or neither.
class InflatedInput : public TarInput {
 public:
  InflatedInput(ArchiveFile* file, RangeInputOptions options);

  absl::StatusOr<SharedBytes> Next() override;
  void Cancel() override { raw_.Cancel(); }
  std::string FinishMd5() { return raw_.FinishMd5(); }

 private:
  RangeInput raw_;
  SharedBytes piece_;  // which the inflater works on
  bool first_taken_ = false;
  std::unique_ptr<InflatingReader> inflater_;  // null until the first piece is there
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RANGE_INPUT_H_
