// Digests over OpenSSL's libcrypto: MD5 (RFC 1321), SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104),
// and their text forms. The only home of OpenSSL in volstream.
#ifndef VOLSTREAM_STAGES_DIGEST_H_
#define VOLSTREAM_STAGES_DIGEST_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/bytes.h"

namespace volstream {

using Md5Digest = std::array<uint8_t, 16>;
using Sha256Digest = std::array<uint8_t, 32>;

inline ByteSpan AsBytes(std::string_view text) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// One-shot digests. Safe for concurrent calls.
Md5Digest Md5Of(ByteSpan bytes);
Sha256Digest Sha256Of(ByteSpan bytes);
Sha256Digest HmacSha256(ByteSpan key, ByteSpan message);

// Lower-case hexadecimal and standard base64 with padding (RFC 4648).
std::string ToHex(ByteSpan bytes);
std::string ToBase64(ByteSpan bytes);

// Overwrites a secret in memory and empties it. For use before a string with a secret is freed.
void WipeSecret(std::string& secret);
void WipeSecret(Sha256Digest& secret);

// A running MD5. One thread at a time.
class Md5Stream {
 public:
  Md5Stream();
  ~Md5Stream();
  Md5Stream(Md5Stream&&) noexcept;
  Md5Stream& operator=(Md5Stream&&) noexcept;

  void Update(ByteSpan bytes);
  // The digest of all bytes so far; ends the stream, no Update may follow.
  Md5Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DIGEST_H_
