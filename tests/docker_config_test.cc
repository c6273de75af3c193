// Where the engine is, by the environment.
#include "stages/docker_config.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "stages/error_kind.h"

namespace volstream {
namespace {

class DockerConfig : public ::testing::Test {
 protected:
  absl::StatusOr<DockerEndpoint> Endpoint() {
    DockerEnvironment environment;
    environment.get = [this](const char* name) { return variables_[name]; };
    environment.path_exists = [this](const std::string& path) { return files_.count(path) > 0; };
    return DockerEndpointFrom(environment);
  }
  void ExpectRefused(const std::string& host, const std::string& words) {
    variables_["DOCKER_HOST"] = host;
    const absl::Status status = Endpoint().status();
    ASSERT_FALSE(status.ok()) << host;
    EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
    EXPECT_NE(status.message().find(words), absl::string_view::npos) << status;
  }

  std::map<std::string, std::string> variables_;
  std::set<std::string> files_;
};

TEST_F(DockerConfig, TakesTheFirstSocketThatIsThere) {
  variables_["XDG_RUNTIME_DIR"] = "/run/user/7";
  EXPECT_EQ(Endpoint()->unix_socket, "/var/run/docker.sock");
  files_.insert("/run/podman/podman.sock");
  EXPECT_EQ(Endpoint()->unix_socket, "/run/podman/podman.sock");
  files_.insert("/run/user/7/podman/podman.sock");
  EXPECT_EQ(Endpoint()->unix_socket, "/run/user/7/podman/podman.sock");
  files_.insert("/var/run/docker.sock");
  EXPECT_EQ(Endpoint()->unix_socket, "/var/run/docker.sock");
  EXPECT_EQ(Endpoint()->name, "unix:///var/run/docker.sock");
  EXPECT_TRUE(Endpoint()->local());
}

TEST_F(DockerConfig, ObeysDockerHost) {
  variables_["DOCKER_HOST"] = "unix:///tmp/d.sock";
  EXPECT_EQ(Endpoint()->unix_socket, "/tmp/d.sock");
  variables_["DOCKER_HOST"] = "tcp://engine:1234";
  EXPECT_EQ(Endpoint()->base_url, "http://engine:1234");
  EXPECT_FALSE(Endpoint()->local());
  variables_["DOCKER_HOST"] = "tcp://engine";
  EXPECT_EQ(Endpoint()->base_url, "http://engine:2375");
  variables_["DOCKER_HOST"] = "tcp://engine:80/";
  EXPECT_EQ(Endpoint()->base_url, "http://engine");
  variables_["DOCKER_HOST"] = "tcp://[::1]";
  EXPECT_EQ(Endpoint()->base_url, "http://[::1]:2375");
}

TEST_F(DockerConfig, UsesTlsWhereThereAreCertificates) {
  variables_["DOCKER_HOST"] = "tcp://engine";
  variables_["DOCKER_CERT_PATH"] = "/certs";
  files_ = {"/certs/ca.pem", "/certs/cert.pem", "/certs/key.pem"};
  const absl::StatusOr<DockerEndpoint> endpoint = Endpoint();
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(endpoint->base_url, "https://engine:2376");
  EXPECT_EQ(endpoint->ca_file, "/certs/ca.pem");
  EXPECT_EQ(endpoint->cert_file, "/certs/cert.pem");
  EXPECT_EQ(endpoint->key_file, "/certs/key.pem");
}

TEST_F(DockerConfig, LooksForCertificatesAtHome) {
  variables_["DOCKER_TLS_VERIFY"] = "1";
  variables_["HOME"] = "/home/x";
  ExpectRefused("tcp://engine", "/home/x/.docker/ca.pem");
  files_ = {"/home/x/.docker/ca.pem", "/home/x/.docker/cert.pem", "/home/x/.docker/key.pem"};
  EXPECT_EQ(Endpoint()->base_url, "https://engine:2376");
}

TEST_F(DockerConfig, RefusesWhatItCannotReach) {
  ExpectRefused("ssh://engine", "unix:// and tcp://");
  ExpectRefused("unix://relative", "unix:///path");
  ExpectRefused("unix:///" + std::string(200, 'x'), "characters");
  ExpectRefused("tcp://", "tcp://host:port");
  ExpectRefused("tcp://engine:port", "tcp://host:port");
  ExpectRefused("tcp://engine/path", "tcp://host:port");
}

}  // namespace
}  // namespace volstream
