// ArchiveBytes: the bytes of an archive, from its first to its last, in buffers that others may
// keep.
//
// Threads: as TarInput.
#ifndef VOLSTREAM_STAGES_ARCHIVE_BYTES_H_
#define VOLSTREAM_STAGES_ARCHIVE_BYTES_H_

#include <atomic>

#include "stages/archive_reader.h"
#include "stages/entry_reader.h"

namespace volstream {

class ArchiveBytes : public TarInput {
 public:
  // The reader must outlive it.
  explicit ArchiveBytes(ArchiveReader* reader) : reader_(reader) {}

  absl::StatusOr<SharedBytes> Next() override;
  void Cancel() override { cancelled_ = true; }

 private:
  ArchiveReader* const reader_;
  ByteSpan chunk_;  // not handed on yet
  std::atomic<bool> cancelled_{false};
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_BYTES_H_
