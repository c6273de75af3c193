// DockerEngine: the real Docker engine of a test program, from tests/docker.sh. Linking
// docker_engine.cc starts it before the first test and stops it after the last. Where none can be
// started (no root, no namespaces), every test is skipped, loudly and with the reason.
//
// The verbs below go through curl, not through volstream: what they report is a second opinion.
// They fail the running test when the engine refuses.
// Threads: one thread at a time.
#ifndef VOLSTREAM_TESTS_SUPPORT_DOCKER_ENGINE_H_
#define VOLSTREAM_TESTS_SUPPORT_DOCKER_ENGINE_H_

#include <map>
#include <string>
#include <vector>

#include "tests/support/cli.h"

namespace volstream {

struct ContainerSpec {
  std::string name = "";
  std::string volume = "";  // name, or a path of the host for a bind mount; empty = none
  std::string destination = "/data";
  std::map<std::string, std::string> labels = {};
  // Ends at SIGTERM, as a server should; PID 1 has no default for it.
  std::string command = "trap 'exit 0' TERM; while true; do sleep 1 & wait $!; done";
  bool auto_remove = false;
  int stop_timeout_seconds = 10;             // until the engine kills it
  std::vector<std::string> more_binds = {};  // "SOURCE:DESTINATION"
};

class DockerEngine {
 public:
  // The one of this process. REQUIRES: a test is running.
  static const DockerEngine& Shared();

  const std::string& socket() const { return socket_; }
  std::string host() const { return "unix://" + socket_; }  // for DOCKER_HOST

  // `volstream` with these arguments and this engine's DOCKER_HOST.
  Command Volstream(std::vector<std::string> args) const;
  // The same as an ordinary user who may use the socket, but not read the volumes.
  Command VolstreamAsNobody(std::vector<std::string> args) const;

  // Makes a volume, empty; its directory.
  std::string NewVolume(const std::string& name, const std::string& options_json = "{}") const;
  void RemoveVolume(const std::string& name) const;
  std::vector<std::string> Volumes() const;  // sorted

  void Create(const ContainerSpec& spec) const;  // not started
  void Run(const ContainerSpec& spec) const;
  void Act(const std::string& name, const std::string& verb) const;  // "stop", "pause", ...
  // "running", "paused", "exited", "created"; empty if there is no such container.
  std::string StateOf(const std::string& name) const;
  // When the container was started last, as the engine writes it.
  std::string StartedAt(const std::string& name) const;
  // Both poll; false if it does not come within 20 s. The second: it runs, started after
  // `started_at`.
  bool WaitForState(const std::string& name, const std::string& state) const;
  bool WaitForRestart(const std::string& name, const std::string& started_at) const;
  std::vector<std::string> Containers() const;  // names, sorted
  // All containers, then all volumes.
  void RemoveAll() const;

 private:
  friend class DockerEnvironment;
  explicit DockerEngine(std::string socket) : socket_(std::move(socket)) {}
  CommandResult Call(const std::string& method, const std::string& path,
                     const std::string& json = "") const;
  std::string Get(const std::string& path) const;

  std::string socket_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_DOCKER_ENGINE_H_
