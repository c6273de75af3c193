// ZstdReader: InflatingReader of Zstandard frames (RFC 8878), skippable ones among them; each
// frame's length and checksum are checked, where it has them.
//
// Memory: the window that a frame asks for, at most 128 MiB (what `zstd` itself takes without
// --long); more is kResourceExhausted.
#ifndef VOLSTREAM_STAGES_ZSTD_READER_H_
#define VOLSTREAM_STAGES_ZSTD_READER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/inflating_reader.h"

namespace volstream {

// True if the bytes begin as a frame of Zstandard does, or a skippable one.
bool LooksLikeZstd(ByteSpan bytes);

class ZstdReader : public InflatingReader {
 public:
  explicit ZstdReader(Input input);
  ~ZstdReader() override;

  absl::StatusOr<ByteSpan> Next() override;

 private:
  struct Inflater;

  const std::unique_ptr<Inflater> inflater_;
  bool in_frame_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ZSTD_READER_H_
