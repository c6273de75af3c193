// The client's side of the Engine API: versions, errors and what is sent.
#include "stages/docker_client.h"

#include <gtest/gtest.h>

#include <string>

#include "stages/error_kind.h"
#include "tests/support/fake_docker.h"
#include "tests/support/http_server.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

FakeReply NoContent(const std::string&, const std::string&) { return {204}; }

TEST(DockerClient, SpeaksTheVersionThatBothKnow) {
  const struct {
    const char* newest;
    const char* oldest;
    const char* spoken;
  } kCases[] = {{"1.41", "1.12", "/v1.41/"},  // Docker 20.10
                {"1.50", "1.24", "/v1.41/"},  // Docker 28
                {"1.52", "1.44", "/v1.44/"},  // Docker 29 no longer knows 1.41
                {"1.40", "1.12", "/v1.40/"},  // Docker 19.03
                {"1.41", "", "/v1.41/"}};
  for (const auto& c : kCases) {
    FakeDocker fake(NoContent);
    fake.api_version = c.newest;
    fake.min_api_version = c.oldest;
    EXPECT_TRUE(fake.Connect()->StartContainer("x").ok());
    EXPECT_EQ(fake.lines().back().find(c.spoken), 5u) << fake.lines().back();
  }
}

TEST(DockerClient, SaysWhenItIsNoEngine) {
  FakeDocker fake(NoContent);
  fake.api_version = "";
  const absl::Status status = fake.TryConnect().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
  EXPECT_NE(status.message().find("is no Docker engine"), absl::string_view::npos) << status;
  fake.api_version = "2.0";
  EXPECT_EQ(KindOf(fake.TryConnect().status()), ErrorKind::kPrerequisite);
}

TEST(DockerClient, AnotherServersAnswerIsAPrerequisite) {
  HttpServer server([](const ServedRequest&) {
    ServedReply reply;
    reply.status = 400;
    reply.body = "Client sent an HTTP request to an HTTPS server.\n";
    return reply;
  });
  DockerEndpoint endpoint;
  endpoint.name = "tcp://engine:2376";
  endpoint.base_url = server.Url("");
  const absl::Status status = DockerClient::Connect(endpoint).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
  EXPECT_NE(status.message().find("DOCKER_TLS_VERIFY"), absl::string_view::npos) << status;
}

TEST(DockerClient, TellsErrorsApart) {
  FakeReply reply;
  FakeDocker fake([&reply](const std::string&, const std::string&) { return reply; });
  const auto client = fake.Connect();
  const struct {
    int status;
    absl::StatusCode code;
  } kCases[] = {{404, absl::StatusCode::kNotFound},
                {409, absl::StatusCode::kFailedPrecondition},
                {403, absl::StatusCode::kPermissionDenied},
                {500, absl::StatusCode::kInternal}};
  for (const auto& c : kCases) {
    reply = {c.status, R"({"message":"the reason"})"};
    const absl::Status status = client->StopContainer("x").status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_NE(status.message().find("the reason"), absl::string_view::npos) << status;
  }
  reply = {500, ""};
  EXPECT_NE(client->StopContainer("x").status().message().find("HTTP 500"),
            absl::string_view::npos);
}

TEST(DockerClient, TakesAlreadySoForSuccess) {
  FakeDocker fake([](const std::string& line, const std::string&) -> FakeReply {
    return {line.find("DELETE") == 0 ? 404 : 304};
  });
  const auto client = fake.Connect();
  EXPECT_EQ(client->StopContainer("x").value_or(true), false);
  EXPECT_TRUE(client->StartContainer("x").ok());
  EXPECT_TRUE(client->RemoveContainer("x").ok());
  EXPECT_TRUE(client->RemoveVolume("x").ok());
}

TEST(DockerClient, EscapesNames) {
  FakeDocker fake(NoContent);
  fake.Connect()->StopContainer("a b/../c?x=1").status().IgnoreError();
  EXPECT_EQ(fake.lines().back(), "POST /v1.41/containers/a%20b%2F..%2Fc%3Fx%3D1/stop");
}

TEST(DockerClient, ACancelLeavesAloneWhatPutsThingsBack) {
  FakeDocker fake(NoContent);
  const auto client = fake.Connect();
  client->Cancel();
  EXPECT_EQ(KindOf(client->ListContainers().status()), ErrorKind::kInterrupted);
  EXPECT_TRUE(client->StartContainer("x").ok());
  EXPECT_TRUE(client->UnpauseContainer("x").ok());
  EXPECT_TRUE(client->RemoveContainer("x").ok());
}

TEST(DockerClient, NamesTheEngineThatCannotBeReached) {
  FakeDocker fake([](const std::string&, const std::string&) -> FakeReply {
    return {200, "", absl::UnavailableError("connection refused")};
  });
  fake.endpoint.name = "tcp://engine:2375";
  fake.endpoint.unix_socket = "";
  const absl::Status status = fake.Connect()->ListContainers().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
  EXPECT_NE(status.message().find("tcp://engine:2375 does not answer"), absl::string_view::npos);
}

// The whole way, over a socket.
TEST(DockerClient, SpeaksOverAUnixSocket) {
  TempDir directory;
  const std::string socket = directory / "docker.sock";
  HttpServer server(
      [](const ServedRequest& request) {
        ServedReply reply;
        reply.body = request.target == "/version" ? R"({"ApiVersion":"1.41"})"
                     : request.target == "/v1.41/containers/json?all=1"
                         ? R"([{"Id":"1","Names":["/a"],"State":"running"}])"
                         : "?";
        return reply;
      },
      socket);
  DockerEndpoint endpoint;
  endpoint.base_url = "http://docker";
  endpoint.unix_socket = socket;
  const absl::StatusOr<std::unique_ptr<DockerClient>> client = DockerClient::Connect(endpoint);
  ASSERT_TRUE(client.ok()) << client.status();
  const auto containers = (*client)->ListContainers();
  ASSERT_TRUE(containers.ok()) << containers.status();
  EXPECT_EQ(containers->at(0).name, "a");
}

}  // namespace
}  // namespace volstream
