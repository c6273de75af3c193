// Digests of the parts and of the whole encoded stream: what S3 makes its ETags of, and what the
// receipt keeps.
#ifndef VOLSTREAM_STAGES_PART_HASH_H_
#define VOLSTREAM_STAGES_PART_HASH_H_

#include <memory>
#include <string>

#include "engine/message.h"
#include "engine/stage.h"
#include "stages/digest.h"

namespace volstream {

// MD5 of each part, and SHA-256 where a sink signs its payload. Safe for concurrent calls.
class Md5PartHasher : public PartHasher {
 public:
  PartDigest Hash(ByteSpan bytes, bool want_sha256) const override;
};

// Digests of the whole archive: the MD5 that `md5sum` prints, and XXH3-64 (`xxhsum -H3`).
struct StreamDigests {
  std::string md5;   // lower-case hexadecimal
  std::string xxh3;  // 16 digits, most significant first
};

// Observes the stream in order. Threads as StreamObserver; Finish once, when the run has ended.
class StreamHasher : public StreamObserver {
 public:
  StreamHasher();
  ~StreamHasher() override;
  absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) override;
  StreamDigests Finish();

 private:
  struct Xxh3;
  Md5Stream md5_;
  std::unique_ptr<Xxh3> xxh3_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PART_HASH_H_
