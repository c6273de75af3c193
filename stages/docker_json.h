// What the Docker engine says, as types: the parts of its JSON answers that volstream needs.
// Docker Engine API v1.41 (and later ones, which keep these fields); Podman's compatible service.
//
// Parsers are functions of their text alone and never throw: kDataLoss for what is no such answer.
#ifndef VOLSTREAM_STAGES_DOCKER_JSON_H_
#define VOLSTREAM_STAGES_DOCKER_JSON_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace volstream {

// On the containers that volstream makes to reach a volume: its name. Tells one that a killed run
// left behind from all others.
inline constexpr char kDockerReaderLabel[] = "volstream.reader";

struct DockerMount {
  std::string type;         // "volume", "bind", "tmpfs"
  std::string volume;       // of type "volume" only
  std::string source;       // path on the engine's host
  std::string destination;  // path in the container
  bool whole = true;        // false = a subdirectory of the volume; only an inspection knows
  bool writable = true;
};

struct DockerContainer {
  std::string id;
  std::string name;   // without the '/' in front
  std::string state;  // "running", "paused", "exited", "created", ...
  std::map<std::string, std::string> labels;
  std::vector<DockerMount> mounts;
  int64_t created_seconds = 0;  // Unix time; only a list knows
  bool auto_remove = false;     // --rm: gone once it stops; only an inspection knows

  bool running() const { return state == "running" || state == "restarting"; }
  // The first mount of the volume, which may be mounted several times; null if there is none.
  const DockerMount* MountOf(std::string_view volume) const;
  // Whether one of them is writable.
  bool WritesTo(std::string_view volume) const;
  // The label's value; empty if there is none.
  std::string Label(const std::string& key) const;
};

struct DockerVolume {
  std::string name;
  std::string driver;
  std::string mountpoint;                      // on the engine's host; may be empty
  std::map<std::string, std::string> options;  // given: mounted only while in use
};

struct DockerVersion {
  std::string version;      // of the engine
  std::string api;          // the newest it speaks: "1.41"
  std::string minimum_api;  // the oldest
};

struct DockerExecState {
  bool running = false;
  int exit_code = 0;
};

absl::StatusOr<DockerVersion> ParseDockerVersion(std::string_view text);
absl::StatusOr<std::vector<DockerContainer>> ParseDockerContainers(std::string_view text);
absl::StatusOr<DockerContainer> ParseDockerContainer(std::string_view text);  // an inspection
absl::StatusOr<std::vector<DockerVolume>> ParseDockerVolumes(std::string_view text);
absl::StatusOr<DockerVolume> ParseDockerVolume(std::string_view text);
absl::StatusOr<std::vector<std::string>> ParseDockerImageIds(std::string_view text);
absl::StatusOr<DockerExecState> ParseDockerExec(std::string_view text);
// "Id" of what was created.
absl::StatusOr<std::string> ParseDockerId(std::string_view text);
// Bytes by volume, where /system/df knows them.
absl::StatusOr<std::map<std::string, uint64_t>> ParseDockerVolumeSizes(std::string_view text);
// The message of an error answer as one line; the text itself where it is no JSON.
std::string DockerMessageOf(std::string_view text);

// The JSON body of a request.
std::string DockerExecJson(const std::vector<std::string>& argv,
                           const std::vector<std::string>& environment);
std::string DockerVolumeJson(const std::string& name);
// A container that is only made for its mount: the volume at `destination`.
std::string DockerReaderJson(const std::string& image_id, const std::string& volume,
                             const std::string& destination, bool read_only);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_JSON_H_
