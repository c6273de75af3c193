// GzipReader: InflatingReader of gzip members (RFC 1952), each of whose CRC-32 and length are
// checked. The only home of zlib in volstream.
#ifndef VOLSTREAM_STAGES_GZIP_READER_H_
#define VOLSTREAM_STAGES_GZIP_READER_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/inflating_reader.h"

namespace volstream {

// True if the bytes begin as a gzip member does.
bool LooksLikeGzip(ByteSpan bytes);

class GzipReader : public InflatingReader {
 public:
  explicit GzipReader(Input input);
  ~GzipReader() override;

  absl::StatusOr<ByteSpan> Next() override;

 private:
  struct Inflater;

  const std::unique_ptr<Inflater> inflater_;
  bool in_member_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_READER_H_
