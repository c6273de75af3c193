#include "stages/part_hash.h"

#include <xxhash.h>

#include "absl/strings/str_format.h"

namespace volstream {

PartDigest Md5PartHasher::Hash(ByteSpan bytes, bool want_sha256) const {
  PartDigest digest;
  digest.md5 = Md5Of(bytes);
  if (want_sha256) digest.sha256 = Sha256Of(bytes);
  return digest;
}

struct StreamHasher::Xxh3 {
  XXH3_state_t* const state = XXH3_createState();
  Xxh3() { XXH3_64bits_reset(state); }
  ~Xxh3() { XXH3_freeState(state); }
};

StreamHasher::StreamHasher() : xxh3_(std::make_unique<Xxh3>()) {}
StreamHasher::~StreamHasher() = default;

absl::Status StreamHasher::OnBlock(const BlockRecord& record, ByteSpan encoded) {
  (void)record;
  md5_.Update(encoded);
  XXH3_64bits_update(xxh3_->state, encoded.data(), encoded.size());
  return absl::OkStatus();
}

StreamDigests StreamHasher::Finish() {
  return StreamDigests{ToHex(md5_.Finish()),
                       absl::StrFormat("%016x", XXH3_64bits_digest(xxh3_->state))};
}

}  // namespace volstream
