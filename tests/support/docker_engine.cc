#include "tests/support/docker_engine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine/check.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Json = nlohmann::json;

constexpr char kImage[] = "volstream-test:1";

DockerEngine* shared_engine = nullptr;

// Another process leaves no other way.
template <typename Condition>
bool Poll(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace

class DockerEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    directory_ = std::make_unique<TempDir>();
    const std::string state = *directory_ / "docker";
    const CommandResult result =
        Command({VOLSTREAM_DOCKER_SCRIPT, "up", state, std::to_string(getpid())}).Timeout(90).Run();
    if (result.exit_code != 0) {
      std::fprintf(stderr,
                   "\n*** These tests need a real Docker engine, and none could be started:\n%s\n"
                   "*** SKIPPED: no Docker engine. Nothing was tested.\n\n",
                   result.err.c_str());
      GTEST_SKIP();
    }
    engine_.reset(new DockerEngine(state + "/docker.sock"));
    // Others may use the socket: the tests' ordinary user is one of a "docker" group.
    chmod(state.c_str(), 0711);
    chmod(engine_->socket().c_str(), 0666);
    std::printf("Docker engine at %s, started in %.1f s\n", engine_->host().c_str(),
                result.seconds);
    shared_engine = engine_.get();
  }

  void TearDown() override {
    shared_engine = nullptr;
    const CommandResult result =
        Command({VOLSTREAM_DOCKER_SCRIPT, "down", *directory_ / "docker"}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    directory_.reset();
  }

 private:
  std::unique_ptr<TempDir> directory_;
  std::unique_ptr<DockerEngine> engine_;
};

// GoogleTest owns it.
[[maybe_unused]] const ::testing::Environment* const kDockerEnvironment =
    ::testing::AddGlobalTestEnvironment(new DockerEnvironment);

const DockerEngine& DockerEngine::Shared() {
  VS_CHECK(shared_engine != nullptr);
  return *shared_engine;
}

Command DockerEngine::Volstream(std::vector<std::string> args) const {
  Command command = volstream::Volstream(std::move(args));
  command.Env("DOCKER_HOST", host());
  return command;
}

Command DockerEngine::VolstreamAsNobody(std::vector<std::string> args) const {
  Command command = Volstream(std::move(args));
  command.RunAs(kNobody, kNobody);
  return command;
}

CommandResult DockerEngine::Call(const std::string& method, const std::string& path,
                                 const std::string& json) const {
  std::vector<std::string> argv = {"curl",      "--silent",  "--show-error", "--fail-with-body",
                                   "--globoff", "--request", method,         "--unix-socket",
                                   socket_};
  if (!json.empty()) {
    argv.insert(argv.end(), {"--header", "Content-Type: application/json", "--data", json});
  }
  argv.push_back("http://docker/v1.41" + path);
  return Command(std::move(argv)).Run();
}

std::string DockerEngine::Get(const std::string& path) const {
  const CommandResult result = Call("GET", path);
  EXPECT_EQ(result.exit_code, 0) << path << "\n" << result;
  return result.out;
}

std::string DockerEngine::NewVolume(const std::string& name,
                                    const std::string& options_json) const {
  const CommandResult result = Call(
      "POST", "/volumes/create", "{\"Name\":\"" + name + "\",\"DriverOpts\":" + options_json + "}");
  EXPECT_EQ(result.exit_code, 0) << result;
  return Json::parse(result.out).at("Mountpoint");
}

void DockerEngine::RemoveVolume(const std::string& name) const {
  EXPECT_EQ(Call("DELETE", "/volumes/" + name).exit_code, 0) << name;
}

std::vector<std::string> DockerEngine::Volumes() const {
  std::vector<std::string> names;
  const Json list = Json::parse(Get("/volumes"));
  if (list.at("Volumes").is_array()) {
    for (const Json& volume : list.at("Volumes")) names.push_back(volume.at("Name"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void DockerEngine::Create(const ContainerSpec& spec) const {
  Json json;
  json["Image"] = kImage;
  json["Cmd"] = std::vector<std::string>{"/bin/sh", "-c", spec.command};
  json["Labels"] = spec.labels;
  json["StopTimeout"] = spec.stop_timeout_seconds;
  json["HostConfig"]["NetworkMode"] = "none";
  json["HostConfig"]["AutoRemove"] = spec.auto_remove;
  std::vector<std::string> binds = spec.more_binds;
  if (!spec.volume.empty()) binds.push_back(spec.volume + ":" + spec.destination);
  json["HostConfig"]["Binds"] = binds;
  const CommandResult result = Call("POST", "/containers/create?name=" + spec.name, json.dump());
  EXPECT_EQ(result.exit_code, 0) << result;
}

void DockerEngine::Run(const ContainerSpec& spec) const {
  Create(spec);
  Act(spec.name, "start");
}

void DockerEngine::Act(const std::string& name, const std::string& verb) const {
  const CommandResult result = Call("POST", "/containers/" + name + "/" + verb);
  EXPECT_EQ(result.exit_code, 0) << verb << " " << name << "\n" << result;
}

std::string DockerEngine::StateOf(const std::string& name) const {
  const CommandResult result = Call("GET", "/containers/" + name + "/json");
  if (result.exit_code != 0) return "";
  return Json::parse(result.out).at("State").at("Status");
}

std::string DockerEngine::StartedAt(const std::string& name) const {
  return Json::parse(Get("/containers/" + name + "/json")).at("State").at("StartedAt");
}

bool DockerEngine::WaitForState(const std::string& name, const std::string& state) const {
  return Poll([&] { return StateOf(name) == state; });
}

bool DockerEngine::WaitForRestart(const std::string& name, const std::string& started_at) const {
  return Poll([&] { return StartedAt(name) != started_at && StateOf(name) == "running"; });
}

std::vector<std::string> DockerEngine::Containers() const {
  std::vector<std::string> names;
  for (const Json& container : Json::parse(Get("/containers/json?all=1"))) {
    names.push_back(container.at("Names").at(0).get<std::string>().substr(1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void DockerEngine::RemoveAll() const {
  for (const std::string& name : Containers()) Call("DELETE", "/containers/" + name + "?force=1");
  for (const std::string& name : Volumes()) RemoveVolume(name);
}

}  // namespace volstream
