#include "stages/docker_volume.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// Where OpenWebUI's image keeps its data.
constexpr char kDataDirectory[] = "/app/backend/data";
constexpr size_t kMaxListed = 10;
// No reading takes so long. As with unfinished uploads.
constexpr absl::Duration kStaleReaderAge = absl::Hours(7 * 24);

bool IsOpenWebUi(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return lower.find("openwebui") != std::string::npos ||
         lower.find("open-webui") != std::string::npos;
}

absl::Status NotFound(const std::string& message) {
  return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound, message);
}

// Levenshtein's distance, letters' case aside.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

bool ComesNear(const std::string& wanted, const std::string& name) {
  const std::string a = absl::AsciiStrToLower(wanted);
  const std::string b = absl::AsciiStrToLower(name);
  return a.find(b) != std::string::npos || b.find(a) != std::string::npos ||
         Distance(a, b) <= std::max<size_t>(2, a.size() / 4);
}

std::string Listed(std::vector<std::string> names) {
  const size_t more = names.size() > kMaxListed ? names.size() - kMaxListed : 0;
  names.resize(names.size() - more);
  std::string text = absl::StrJoin(names, ", ");
  if (more > 0) absl::StrAppend(&text, " and ", more, " more");
  return text;
}

absl::Status NoSuchVolume(const std::string& wanted, const std::vector<DockerVolume>& volumes) {
  std::vector<std::string> near;
  std::vector<std::string> all;
  for (const DockerVolume& volume : volumes) {
    all.push_back(volume.name);
    if (ComesNear(wanted, volume.name)) near.push_back(volume.name);
  }
  const std::string what = absl::StrCat("no Docker volume is named \"", wanted, "\"");
  if (!near.empty()) return NotFound(absl::StrCat(what, "; near it are: ", Listed(near)));
  if (all.empty()) return NotFound(absl::StrCat(what, ": the engine has no volume at all"));
  return NotFound(absl::StrCat(what, "; there are: ", Listed(all)));
}

// The volumes that a container of OpenWebUI may keep its data in.
std::vector<std::string> DataVolumesOf(const DockerContainer& container) {
  std::vector<std::string> names;
  for (const DockerMount& mount : container.mounts) {
    if (mount.type != "volume") continue;
    if (mount.destination == kDataDirectory) return {mount.volume};
    names.push_back(mount.volume);
  }
  return names;
}

// May every file be read, whosever it is?
bool ReadsEverything() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[0].effective & (1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH)) != 0;
}

}  // namespace

absl::StatusOr<std::string> ChooseDockerVolume(const std::string& wanted,
                                               const std::vector<DockerVolume>& volumes,
                                               const std::vector<DockerContainer>& containers) {
  if (!wanted.empty()) {
    for (const DockerVolume& volume : volumes) {
      if (volume.name == wanted) return wanted;
    }
    return NoSuchVolume(wanted, volumes);
  }
  std::map<std::string, std::set<std::string>> users;  // by volume
  std::string bound;
  for (const DockerContainer& container : containers) {
    if (!IsOpenWebUi(container.name)) continue;
    for (const std::string& name : DataVolumesOf(container)) users[name].insert(container.name);
    for (const DockerMount& mount : container.mounts) {
      if (mount.type == "bind" && mount.destination == kDataDirectory) {
        bound = absl::StrCat("container ", container.name, " keeps its data in the directory ",
                             mount.source, ": back it up with: volstream backup ", mount.source);
      }
    }
  }
  if (users.empty()) {
    if (!bound.empty()) return NotFound(bound);
    for (const DockerVolume& volume : volumes) {
      if (IsOpenWebUi(volume.name)) users[volume.name];
    }
  }
  if (users.size() == 1) return users.begin()->first;
  if (users.empty()) {
    std::vector<std::string> all;
    for (const DockerVolume& volume : volumes) all.push_back(volume.name);
    return NotFound(
        absl::StrCat("no container and no volume has \"openwebui\" or \"open-webui\" in its name; ",
                     all.empty() ? "the engine has no volume at all"
                                 : absl::StrCat("there are: ", Listed(all),
                                                "; choose with: volstream backup docker:NAME")));
  }
  std::vector<std::string> lines;
  for (const auto& [name, by] : users) {
    lines.push_back(by.empty() ? name : absl::StrCat(name, " (of ", absl::StrJoin(by, ", "), ")"));
  }
  return MakeError(ErrorKind::kGeneral, absl::StatusCode::kInvalidArgument,
                   absl::StrCat(users.size(), " volumes may be OpenWebUI's: ", Listed(lines),
                                "; choose with: volstream backup docker:NAME"));
}

std::string WhyNotInPlace(const DockerEndpoint& endpoint, const DockerVolume& volume) {
  if (!endpoint.local()) return "the engine is not on this machine";
  if (volume.driver != "local") return absl::StrCat("its driver is ", volume.driver);
  // Such a volume is an empty directory until a container uses it.
  if (volume.options.count("device") > 0 || volume.options.count("type") > 0) {
    return "it is mounted only while a container uses it";
  }
  if (volume.mountpoint.empty()) return "the engine does not say where it is";
  if (!ReadsEverything()) return "only root may read it in place";
  const int fd = open(volume.mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return absl::StrCat(volume.mountpoint, ": ", strerrordesc_np(errno));
  close(fd);
  return "";
}

absl::StatusOr<DockerSource> FindDockerSource(DockerClient* client, const std::string& name) {
  VS_ASSIGN_OR_RETURN(const std::vector<DockerVolume> volumes, client->ListVolumes());
  VS_ASSIGN_OR_RETURN(const std::vector<DockerContainer> containers, client->ListContainers());
  VS_ASSIGN_OR_RETURN(const std::string chosen, ChooseDockerVolume(name, volumes, containers));
  DockerSource source;
  VS_ASSIGN_OR_RETURN(source.volume, client->InspectVolume(chosen));
  const int64_t stale_before = absl::ToUnixSeconds(absl::Now() - kStaleReaderAge);
  for (const DockerContainer& container : containers) {
    if (container.MountOf(chosen) == nullptr) continue;
    if (container.Label(kDockerReaderLabel).empty()) {
      source.users.push_back(container);
    } else if (container.created_seconds < stale_before) {
      source.stale_readers.push_back(container.id);
    }
  }
  source.not_in_place = WhyNotInPlace(client->endpoint(), source.volume);
  return source;
}

}  // namespace volstream
