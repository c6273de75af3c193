// Digests of the parts and of the whole encoded stream: what S3 makes its ETags of, and what the
// receipt keeps.
#ifndef VOLSTREAM_STAGES_PART_HASH_H_
#define VOLSTREAM_STAGES_PART_HASH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "engine/message.h"
#include "engine/mutex.h"
#include "engine/part_sizes.h"
#include "engine/stage.h"
#include "stages/digest.h"

namespace volstream {

// MD5 of each part, of several at once where the processor gains by that, and SHA-256 where a sink
// signs its payload. Safe for concurrent calls.
class Md5PartHasher : public PartHasher {
 public:
  size_t BatchParts() const override;
  void Hash(std::span<const PartBytes> parts, bool want_sha256,
            std::span<PartDigest> digests) override;
};

// Digests of the whole archive: the MD5 that `md5sum` prints, and XXH3-64 (`xxhsum -H3`).
struct StreamDigests {
  std::string md5;   // lower-case hexadecimal; empty if it was not wanted
  std::string xxh3;  // 16 digits, most significant first
};

// All digests of a run: observes the stream in order, and hashes its parts.
//
// MD5 of a stream is one chain from its first byte to its last, and nothing makes it faster; but
// the MD5 of a part comes with it for next to nothing (stages/md5_pair.h). So with stream_md5 parts
// are hashed as they are observed, and Hash has their digests at hand; without it, parts are hashed
// by themselves, several at once, and the stream only by XXH3.
//
// Threads as StreamObserver and PartHasher; Finish once, when the run has ended.
class StreamHasher : public StreamObserver, public PartHasher {
 public:
  // `parts` are those of the run.
  StreamHasher(const PartSizes& parts, bool stream_md5);
  ~StreamHasher() override;

  absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) override
      ABSL_LOCKS_EXCLUDED(mu_);
  size_t BatchParts() const override;
  // The last part, which ends where the stream does, may come when no OnBlock is running or to
  // come.
  void Hash(std::span<const PartBytes> parts, bool want_sha256,
            std::span<PartDigest> digests) override ABSL_LOCKS_EXCLUDED(mu_);
  StreamDigests Finish();

 private:
  struct Rolling;

  Md5Digest TakeDigest(const PartBytes& part) ABSL_LOCKS_EXCLUDED(mu_);

  const PartSizes parts_;
  const std::unique_ptr<Rolling> rolling_;
  Md5PartHasher alone_;
  // The part that is being observed; the observing thread's.
  uint64_t open_index_ = 0;
  uint64_t open_bytes_ = 0;
  Mutex mu_;
  // Of full parts that are not hashed yet: no more than there are buffers for.
  std::map<uint64_t, Md5Digest> ready_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PART_HASH_H_
