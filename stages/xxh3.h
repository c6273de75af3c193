// XXH3 by the widest vectors that the processor has. libxxhash's plain functions are compiled for
// the oldest processor of an architecture; where the library was built with its own dispatch, its
// header is there and puts those in their place.
#ifndef VOLSTREAM_STAGES_XXH3_H_
#define VOLSTREAM_STAGES_XXH3_H_

#include <xxhash.h>

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

#include <string>

#include "absl/strings/str_format.h"
#include "engine/bytes.h"
#include "engine/check.h"

namespace volstream {

// A running XXH3-64, seed 0. One thread at a time.
class Xxh3Stream {
 public:
  Xxh3Stream() { VS_CHECK(state_ != nullptr && XXH3_64bits_reset(state_) == XXH_OK); }
  ~Xxh3Stream() { XXH3_freeState(state_); }
  Xxh3Stream(const Xxh3Stream&) = delete;
  Xxh3Stream& operator=(const Xxh3Stream&) = delete;

  void Update(ByteSpan bytes) {
    VS_CHECK(XXH3_64bits_update(state_, bytes.data(), bytes.size()) == XXH_OK);
  }
  // Of all bytes so far: 16 digits, most significant first, as `xxhsum -H3` prints it.
  std::string Hex() const { return absl::StrFormat("%016x", XXH3_64bits_digest(state_)); }

 private:
  XXH3_state_t* const state_ = XXH3_createState();
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_XXH3_H_
