// CredentialContext: what the sources of credentials need to know of the world around them.
#ifndef VOLSTREAM_STAGES_CREDENTIAL_CONTEXT_H_
#define VOLSTREAM_STAGES_CREDENTIAL_CONTEXT_H_

#include <functional>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "stages/environment.h"
#include "stages/stop_signal.h"

namespace volstream {

struct CredentialContext {
  Environment environment = ProcessEnvironment;
  std::function<absl::Time()> clock = absl::Now;  // of signatures
  std::string ca_file;                            // PEM, for STS; empty = the system's
  // Where ECS and EC2 answer; a test has neither.
  std::string container_origin = "http://169.254.170.2";
  std::string instance_origin = "http://169.254.169.254";
  // Credentials of these sources are in use: none now means that their source is away.
  bool renewing = false;
  StopSignal* stop = nullptr;  // ends what is waited for; null = nothing does
  // Link-local services answer at once or are not there.
  absl::Duration link_local_timeout = absl::Seconds(1);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CREDENTIAL_CONTEXT_H_
