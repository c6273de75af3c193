// DockerEndpoint: where the Docker engine is and how to reach it, from the environment that the
// docker command line obeys. Contexts and ssh:// are not followed. Parsing only; sends nothing.
// Errors have ErrorKind::kPrerequisite.
#ifndef VOLSTREAM_STAGES_DOCKER_CONFIG_H_
#define VOLSTREAM_STAGES_DOCKER_CONFIG_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace volstream {

struct DockerEndpoint {
  std::string name;         // as a person writes it: "unix:///var/run/docker.sock"
  std::string base_url;     // no '/' at its end
  std::string unix_socket;  // path; empty = TCP
  std::string ca_file;      // PEM; these three are empty without TLS
  std::string cert_file;
  std::string key_file;

  // Whether paths that the engine names may be paths of this machine.
  bool local() const { return !unix_socket.empty(); }
};

struct DockerEnvironment {
  std::function<std::string(const char*)> get;  // a variable; empty = not set
  std::function<bool(const std::string&)> path_exists;
};
// The process's own.
DockerEnvironment ProcessEnvironment();

// DOCKER_HOST (unix:///path, tcp://host[:port]); with tcp:// and DOCKER_TLS_VERIFY or
// DOCKER_CERT_PATH TLS by ca.pem, cert.pem and key.pem of DOCKER_CERT_PATH (~/.docker), always
// verified. Without DOCKER_HOST the first socket that is there: /var/run/docker.sock, then Podman's
// $XDG_RUNTIME_DIR/podman/podman.sock and /run/podman/podman.sock; if none is, the first.
absl::StatusOr<DockerEndpoint> DockerEndpointFrom(const DockerEnvironment& environment);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_CONFIG_H_
