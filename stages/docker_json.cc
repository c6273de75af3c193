#include "stages/docker_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxMessageBytes = 500;

// The member, or null where there is none or `json` is no object.
const Json& At(const Json& json, const char* key) {
  static const Json kNull;
  if (!json.is_object()) return kNull;
  const auto found = json.find(key);
  return found == json.end() ? kNull : *found;
}

std::string Text(const Json& json) { return json.is_string() ? json.get<std::string>() : ""; }
bool True(const Json& json) { return json.is_boolean() && json.get<bool>(); }

std::map<std::string, std::string> Texts(const Json& json) {
  std::map<std::string, std::string> texts;
  if (!json.is_object()) return texts;
  for (const auto& [key, value] : json.items()) texts[key] = Text(value);
  return texts;
}

absl::StatusOr<Json> Parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return absl::DataLossError("the Docker engine's answer is no JSON");
  }
  return json;
}

absl::Status Unexpected(const char* what) {
  return absl::DataLossError(absl::StrCat("the Docker engine's answer has no ", what));
}

std::string WithoutSlash(std::string name) {
  if (!name.empty() && name.front() == '/') name.erase(0, 1);
  return name;
}

std::vector<DockerMount> Mounts(const Json& json) {
  std::vector<DockerMount> mounts;
  if (!json.is_array()) return mounts;
  for (const Json& node : json) {
    DockerMount mount;
    mount.type = Text(At(node, "Type"));
    if (mount.type == "volume") mount.volume = Text(At(node, "Name"));
    mount.source = Text(At(node, "Source"));
    mount.destination = Text(At(node, "Destination"));
    const Json& writable = At(node, "RW");
    mount.writable = !writable.is_boolean() || writable.get<bool>();
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

DockerVolume VolumeFrom(const Json& json) {
  DockerVolume volume;
  volume.name = Text(At(json, "Name"));
  volume.driver = Text(At(json, "Driver"));
  volume.mountpoint = Text(At(json, "Mountpoint"));
  volume.options = Texts(At(json, "Options"));
  return volume;
}

}  // namespace

const DockerMount* DockerContainer::MountOf(std::string_view volume) const {
  for (const DockerMount& mount : mounts) {
    if (mount.type == "volume" && mount.volume == volume) return &mount;
  }
  return nullptr;
}

bool DockerContainer::WritesTo(std::string_view volume) const {
  return std::any_of(mounts.begin(), mounts.end(), [volume](const DockerMount& mount) {
    return mount.type == "volume" && mount.volume == volume && mount.writable;
  });
}

std::string DockerContainer::Label(const std::string& key) const {
  const auto found = labels.find(key);
  return found == labels.end() ? "" : found->second;
}

absl::StatusOr<DockerVersion> ParseDockerVersion(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  DockerVersion version;
  version.version = Text(At(json, "Version"));
  version.api = Text(At(json, "ApiVersion"));
  version.minimum_api = Text(At(json, "MinAPIVersion"));
  if (version.api.empty()) return Unexpected("ApiVersion");
  return version;
}

absl::StatusOr<std::vector<DockerContainer>> ParseDockerContainers(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  if (!json.is_array()) return Unexpected("list of containers");
  std::vector<DockerContainer> containers;
  for (const Json& node : json) {
    DockerContainer container;
    container.id = Text(At(node, "Id"));
    if (container.id.empty()) return Unexpected("Id of a container");
    const Json& names = At(node, "Names");
    if (names.is_array()) {
      // Links of other containers are names as well: "/other/alias".
      for (const Json& name : names) {
        const std::string plain = WithoutSlash(Text(name));
        if (container.name.empty() || plain.find('/') == std::string::npos) container.name = plain;
      }
    }
    if (container.name.empty()) container.name = container.id.substr(0, 12);
    container.state = absl::AsciiStrToLower(Text(At(node, "State")));
    container.labels = Texts(At(node, "Labels"));
    container.mounts = Mounts(At(node, "Mounts"));
    const Json& created = At(node, "Created");
    if (created.is_number_integer()) container.created_seconds = created.get<int64_t>();
    containers.push_back(std::move(container));
  }
  return containers;
}

absl::StatusOr<DockerContainer> ParseDockerContainer(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  DockerContainer container;
  container.id = Text(At(json, "Id"));
  if (container.id.empty()) return Unexpected("Id of a container");
  container.name = WithoutSlash(Text(At(json, "Name")));
  container.state = absl::AsciiStrToLower(Text(At(At(json, "State"), "Status")));
  container.labels = Texts(At(At(json, "Config"), "Labels"));
  container.mounts = Mounts(At(json, "Mounts"));
  const Json& host = At(json, "HostConfig");
  container.auto_remove = True(At(host, "AutoRemove"));
  const Json& wanted = At(host, "Mounts");
  if (wanted.is_array()) {
    for (const Json& node : wanted) {
      if (Text(At(At(node, "VolumeOptions"), "Subpath")).empty()) continue;
      for (DockerMount& mount : container.mounts) {
        if (mount.destination == Text(At(node, "Target"))) mount.whole = false;
      }
    }
  }
  return container;
}

absl::StatusOr<std::vector<DockerVolume>> ParseDockerVolumes(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  const Json& list = At(json, "Volumes");
  if (!json.is_object() || !(list.is_array() || list.is_null())) {
    return Unexpected("list of volumes");
  }
  std::vector<DockerVolume> volumes;
  if (list.is_array()) {
    for (const Json& node : list) volumes.push_back(VolumeFrom(node));
  }
  return volumes;
}

absl::StatusOr<DockerVolume> ParseDockerVolume(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  DockerVolume volume = VolumeFrom(json);
  if (volume.name.empty()) return Unexpected("Name of a volume");
  return volume;
}

absl::StatusOr<std::vector<std::string>> ParseDockerImageIds(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  if (!json.is_array()) return Unexpected("list of images");
  std::vector<std::string> ids;
  for (const Json& node : json) {
    if (std::string id = Text(At(node, "Id")); !id.empty()) ids.push_back(std::move(id));
  }
  return ids;
}

absl::StatusOr<DockerExecState> ParseDockerExec(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  const Json& running = At(json, "Running");
  if (!running.is_boolean()) return Unexpected("state of an exec");
  DockerExecState state;
  state.running = running.get<bool>();
  const Json& code = At(json, "ExitCode");
  if (!state.running && !code.is_number_integer()) return Unexpected("ExitCode of an exec");
  if (code.is_number_integer()) state.exit_code = code.get<int>();
  return state;
}

absl::StatusOr<std::string> ParseDockerId(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  std::string id = Text(At(json, "Id"));
  if (id.empty()) return Unexpected("Id");
  return id;
}

absl::StatusOr<std::map<std::string, uint64_t>> ParseDockerVolumeSizes(std::string_view text) {
  VS_ASSIGN_OR_RETURN(const Json json, Parse(text));
  std::map<std::string, uint64_t> sizes;
  const Json& volumes = At(json, "Volumes");
  if (!volumes.is_array()) return sizes;
  for (const Json& node : volumes) {
    const Json& size = At(At(node, "UsageData"), "Size");
    // -1 = the engine does not know.
    if (size.is_number_unsigned()) sizes[Text(At(node, "Name"))] = size.get<uint64_t>();
  }
  return sizes;
}

std::string DockerMessageOf(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::string message = Text(At(json, "message"));
  if (message.empty()) message = std::string(text);
  message = absl::StrReplaceAll(message, {{"\r", ""}, {"\n", " "}});
  message = std::string(absl::StripAsciiWhitespace(message));
  if (message.size() > kMaxMessageBytes) message = message.substr(0, kMaxMessageBytes) + "...";
  return message;
}

std::string DockerExecJson(const std::vector<std::string>& argv,
                           const std::vector<std::string>& environment) {
  Json json;
  json["AttachStdout"] = true;
  json["AttachStderr"] = true;
  json["Tty"] = false;
  json["Cmd"] = argv;
  json["Env"] = environment;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string DockerVolumeJson(const std::string& name) {
  Json json;
  json["Name"] = name;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string DockerReaderJson(const std::string& image_id, const std::string& volume,
                             const std::string& destination, bool read_only) {
  // Never started, so the command need not exist; the engine wants one all the same.
  Json json;
  json["Image"] = image_id;
  json["Cmd"] = std::vector<std::string>{"volstream-reader-is-never-started"};
  json["Labels"][kDockerReaderLabel] = volume;
  json["NetworkDisabled"] = true;
  json["HostConfig"]["NetworkMode"] = "none";
  json["HostConfig"]["Binds"] =
      std::vector<std::string>{absl::StrCat(volume, ":", destination, read_only ? ":ro" : "")};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace volstream
