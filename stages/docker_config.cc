#include "stages/docker_config.h"

#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"
#include "stages/url.h"

namespace volstream {
namespace {

constexpr char kDockerSocket[] = "/var/run/docker.sock";
constexpr char kPodmanSocket[] = "/run/podman/podman.sock";
// What the docker command line takes where tcp:// names no port.
constexpr int kPlainPort = 2375;
constexpr int kTlsPort = 2376;

absl::Status Invalid(const std::string& message) {
  return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kInvalidArgument, message);
}

absl::StatusOr<DockerEndpoint> UnixEndpoint(const std::string& path) {
  DockerEndpoint endpoint;
  endpoint.name = absl::StrCat("unix://", path);
  if (!absl::StartsWith(path, "/") || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Invalid(absl::StrCat("DOCKER_HOST is \"", endpoint.name,
                                "\": write unix:///path/of/the/socket, of at most ",
                                sizeof(sockaddr_un::sun_path) - 1, " characters"));
  }
  endpoint.base_url = "http://docker";  // the host has no meaning on a socket
  endpoint.unix_socket = path;
  return endpoint;
}

absl::StatusOr<DockerEndpoint> TcpEndpoint(const std::string& host, absl::string_view address,
                                           const DockerEnvironment& environment) {
  std::string certs = environment.get("DOCKER_CERT_PATH");
  const bool tls = !environment.get("DOCKER_TLS_VERIFY").empty() || !certs.empty();
  const absl::StatusOr<Url> url = ParseUrl(absl::StrCat(tls ? "https://" : "http://", address));
  if (!url.ok() || url->path != "/" || url->host.empty()) {
    return Invalid(absl::StrCat("DOCKER_HOST is \"", host, "\": write tcp://host:port"));
  }
  DockerEndpoint endpoint;
  endpoint.name = host;
  // ParseUrl leaves out the scheme's own port, so the text is asked whether one was written.
  const bool has_port = absl::StrContains(address.substr(address.rfind(']') + 1), ":");
  endpoint.base_url =
      has_port ? url->Origin()
               : absl::StrCat(url->scheme, "://", url->host, ":", tls ? kTlsPort : kPlainPort);
  if (!tls) return endpoint;
  if (certs.empty()) certs = absl::StrCat(environment.get("HOME"), "/.docker");
  endpoint.ca_file = absl::StrCat(certs, "/ca.pem");
  endpoint.cert_file = absl::StrCat(certs, "/cert.pem");
  endpoint.key_file = absl::StrCat(certs, "/key.pem");
  for (const std::string& file : {endpoint.ca_file, endpoint.cert_file, endpoint.key_file}) {
    if (environment.path_exists(file)) continue;
    return Invalid(absl::StrCat("TLS to the Docker engine needs ", file,
                                ": put it there, or set DOCKER_CERT_PATH to its directory"));
  }
  return endpoint;
}

}  // namespace

DockerEnvironment ProcessEnvironment() {
  DockerEnvironment environment;
  environment.get = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  environment.path_exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
  return environment;
}

absl::StatusOr<DockerEndpoint> DockerEndpointFrom(const DockerEnvironment& environment) {
  const std::string host = environment.get("DOCKER_HOST");
  if (!host.empty()) {
    absl::string_view rest(host);
    if (absl::ConsumePrefix(&rest, "unix://")) return UnixEndpoint(std::string(rest));
    if (absl::ConsumePrefix(&rest, "tcp://")) return TcpEndpoint(host, rest, environment);
    return Invalid(absl::StrCat("DOCKER_HOST is \"", host,
                                "\": only unix:// and tcp:// are known; forward a remote engine's ",
                                "socket with: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST"));
  }
  std::vector<std::string> sockets = {kDockerSocket};
  const std::string runtime = environment.get("XDG_RUNTIME_DIR");
  if (!runtime.empty()) sockets.push_back(absl::StrCat(runtime, "/podman/podman.sock"));
  sockets.push_back(kPodmanSocket);
  for (const std::string& socket : sockets) {
    if (environment.path_exists(socket)) return UnixEndpoint(socket);
  }
  return UnixEndpoint(kDockerSocket);
}

}  // namespace volstream
