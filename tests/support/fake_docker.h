// FakeDocker: a Docker engine without containers, for what a real one does not do on demand: other
// API versions, 500s, a container that refuses to come back, an archive that is cut short. What
// works is tested against a real engine (docker_engine.h).
//
// It answers GET /version by itself; every other request goes to the test's handler.
// Threads: the handler runs in the caller's thread, one at a time. Bodies of more than a mebibyte
// would wait for their reader for ever.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAKE_DOCKER_H_
#define VOLSTREAM_TESTS_SUPPORT_FAKE_DOCKER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/mutex.h"
#include "stages/docker_client.h"

namespace volstream {

struct FakeReply {
  int status = 200;
  std::string body = "";
  absl::Status cut = absl::OkStatus();  // not OK: how the transfer ends after the body
};

class FakeDocker {
 public:
  // `line` is "GET /containers/json?all=1", without the API version.
  using Handler = std::function<FakeReply(const std::string& line, const std::string& body)>;

  explicit FakeDocker(Handler handler) : handler_(std::move(handler)) {}

  std::string api_version = "1.41";
  std::string min_api_version = "1.12";
  DockerEndpoint endpoint{"unix:///fake.sock", "http://docker", "/fake.sock", "", "", ""};

  // Fails the test if it cannot. The fake must outlive the client.
  std::unique_ptr<DockerClient> Connect();
  absl::StatusOr<std::unique_ptr<DockerClient>> TryConnect();

  // All requests so far, with their API version: "POST /v1.41/containers/a/stop".
  std::vector<std::string> lines() const ABSL_LOCKS_EXCLUDED(mu_);
  // How many have the text in them.
  int Count(const std::string& text) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Transport;
  FakeReply Serve(const std::string& method, std::string target, const std::string& body)
      ABSL_LOCKS_EXCLUDED(mu_);

  const Handler handler_;
  Mutex handler_mu_;
  mutable Mutex mu_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
};

// A container of that name, which is its id too, with the volume at /data.
DockerContainer FakeContainer(const std::string& name, const std::string& state = "running",
                              const std::string& volume = "volume");
// What the engine says of it when inspected.
std::string InspectionOf(const DockerContainer& container);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAKE_DOCKER_H_
