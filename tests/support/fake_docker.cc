#include "tests/support/fake_docker.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/bytes.h"

namespace volstream {

class FakeDocker::Transport : public HttpTransport {
 public:
  explicit Transport(FakeDocker* fake) : fake_(fake) {}

  void Submit(HttpRequest request, Done done) override {
    if (request.cancelled != nullptr && request.cancelled->load()) {
      done(absl::CancelledError("cancelled"));
      return;
    }
    const std::string body(request.body.begin(), request.body.end());
    const size_t path = request.url.find('/', request.url.find("://") + 3);
    const FakeReply reply =
        fake_->Serve(std::string(HttpMethodName(request.method)), request.url.substr(path), body);
    HttpResponse response;
    response.status = reply.status;
    response.body = reply.body;
    if (request.on_body && reply.status / 100 == 2) {
      response.body.clear();
      // In uneven pieces, as a network has them.
      for (size_t at = 0; at < reply.body.size(); at += 777) {
        const std::string piece = reply.body.substr(at, 777);
        if (!request.on_body(
                ByteSpan(reinterpret_cast<const uint8_t*>(piece.data()), piece.size()))) {
          done(absl::CancelledError("the receiver wanted no more"));
          return;
        }
      }
    }
    if (!reply.cut.ok()) {
      done(reply.cut);
    } else {
      done(std::move(response));
    }
  }
  void Sweep() override {}
  void CancelAll() override {}

 private:
  FakeDocker* const fake_;
};

FakeReply FakeDocker::Serve(const std::string& method, std::string target,
                            const std::string& body) {
  {
    MutexLock lock(&mu_);
    lines_.push_back(method + " " + target);
  }
  if (target == "/version") {
    return {200, R"({"Version":"fake","ApiVersion":")" + api_version + R"(","MinAPIVersion":")" +
                     min_api_version + "\"}"};
  }
  if (target.rfind("/v1.", 0) == 0) target.erase(0, target.find('/', 1));
  MutexLock lock(&handler_mu_);
  return handler_(method + " " + target, body);
}

absl::StatusOr<std::unique_ptr<DockerClient>> FakeDocker::TryConnect() {
  return DockerClient::Connect(endpoint, [this] { return std::make_unique<Transport>(this); });
}

std::unique_ptr<DockerClient> FakeDocker::Connect() {
  absl::StatusOr<std::unique_ptr<DockerClient>> client = TryConnect();
  EXPECT_TRUE(client.ok()) << client.status();
  return client.ok() ? *std::move(client) : nullptr;
}

std::vector<std::string> FakeDocker::lines() const {
  MutexLock lock(&mu_);
  return lines_;
}

int FakeDocker::Count(const std::string& text) const {
  int count = 0;
  for (const std::string& line : lines()) count += line.find(text) != std::string::npos ? 1 : 0;
  return count;
}

DockerContainer FakeContainer(const std::string& name, const std::string& state,
                              const std::string& volume) {
  DockerContainer container;
  container.id = name;
  container.name = name;
  container.state = state;
  container.mounts.push_back({"volume", volume, "/volumes/" + volume, "/data"});
  return container;
}

std::string InspectionOf(const DockerContainer& container) {
  nlohmann::json json;
  json["Id"] = container.id;
  json["Name"] = "/" + container.name;
  json["State"]["Status"] = container.state;
  json["Config"]["Labels"] = container.labels;
  json["HostConfig"]["AutoRemove"] = container.auto_remove;
  json["Mounts"] = nlohmann::json::array();
  for (const DockerMount& mount : container.mounts) {
    json["Mounts"].push_back({{"Type", mount.type},
                              {"Name", mount.volume},
                              {"Source", mount.source},
                              {"Destination", mount.destination},
                              {"RW", mount.writable}});
  }
  return json.dump();
}

}  // namespace volstream
