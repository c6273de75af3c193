// CredentialPool: the credential caches of one run, so that destinations with the same keys have
// them fetched once and not each for itself.
#ifndef VOLSTREAM_STAGES_CREDENTIAL_POOL_H_
#define VOLSTREAM_STAGES_CREDENTIAL_POOL_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"
#include "stages/credential_cache.h"

namespace volstream {

// Threads: safe for concurrent calls; one that has to fetch lets the others wait.
class CredentialPool {
 public:
  // The cache of that profile and CA file, made by `fetch` if there is none. Fails as
  // CredentialCache::Create does, and keeps nothing then.
  absl::StatusOr<std::shared_ptr<CredentialCache>> Get(const std::string& profile,
                                                       const std::string& ca_file,
                                                       FetchCredentials fetch)
      ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    std::shared_ptr<CredentialCache>& cache = caches_[{profile, ca_file}];
    if (cache == nullptr) {
      VS_ASSIGN_OR_RETURN(cache, CredentialCache::Create(std::move(fetch)));
    }
    return cache;
  }

 private:
  Mutex mu_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<CredentialCache>> caches_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CREDENTIAL_POOL_H_
