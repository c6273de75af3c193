// DockerSource: which volume of the engine is to be backed up, who uses it, and whether it can be
// read in place.
//
// Errors: ErrorKind::kVolumeNotFound when there is none, with the names that come near;
// ErrorKind::kGeneral when there are several, with the list and how to choose.
#ifndef VOLSTREAM_STAGES_DOCKER_VOLUME_H_
#define VOLSTREAM_STAGES_DOCKER_VOLUME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/docker_client.h"
#include "stages/docker_json.h"

namespace volstream {

struct DockerSource {
  DockerVolume volume;
  // Containers that mount it, whatever their state, but for those that volstream made itself.
  std::vector<DockerContainer> users;
  // Ids of those that killed backups left behind, over a week ago: no backup reads through them.
  std::vector<std::string> stale_readers;
  // Why its files must come through the engine; empty = they can be read at volume.mountpoint.
  std::string not_in_place;
};

// The volume of that name; with an empty one the volume that OpenWebUI keeps its data in, by the
// name of its container or else its own.
absl::StatusOr<DockerSource> FindDockerSource(DockerClient* client, const std::string& name);

// The choice alone, for tests and for FindDockerSource: the name of the volume.
absl::StatusOr<std::string> ChooseDockerVolume(const std::string& wanted,
                                               const std::vector<DockerVolume>& volumes,
                                               const std::vector<DockerContainer>& containers);

// See DockerSource::not_in_place. In place only with a local engine, its own "local" driver without
// a device to mount, and the right to read every file.
std::string WhyNotInPlace(const DockerEndpoint& endpoint, const DockerVolume& volume);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_VOLUME_H_
