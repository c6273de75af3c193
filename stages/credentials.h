// Credentials: an S3 key pair, how long it is good for, and where it came from. `source` is for
// people and holds no secret; nothing else here may be printed but the key id.
#ifndef VOLSTREAM_STAGES_CREDENTIALS_H_
#define VOLSTREAM_STAGES_CREDENTIALS_H_

#include <string>

#include "absl/time/time.h"
#include "stages/digest.h"

namespace volstream {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;                    // empty unless the keys are temporary ones
  absl::Time expires = absl::InfiniteFuture();  // InfiniteFuture = never, as far as is known
  std::string source;                           // "profile x (/root/.aws/credentials)"

  Credentials() = default;
  Credentials(const Credentials&) = default;
  Credentials(Credentials&&) = default;
  Credentials& operator=(const Credentials&) = default;
  Credentials& operator=(Credentials&&) = default;
  // Wipes the secrets.
  ~Credentials() {
    WipeSecret(secret_access_key);
    WipeSecret(session_token);
  }

  bool SameKeysAs(const Credentials& other) const {
    return access_key_id == other.access_key_id && secret_access_key == other.secret_access_key &&
           session_token == other.session_token;
  }
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CREDENTIALS_H_
