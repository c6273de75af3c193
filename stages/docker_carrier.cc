#include "stages/docker_carrier.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// Images of another platform or a damaged one may refuse.
constexpr size_t kMaxImageTries = 5;

}  // namespace

absl::StatusOr<std::unique_ptr<DockerCarrier>> DockerCarrier::Make(DockerClient* client,
                                                                   const DockerSource& source,
                                                                   Use use, EventLog log) {
  const bool writes = use == Use::kWrite;
  VS_ASSIGN_OR_RETURN(std::vector<std::string> images, client->ListImageIds());
  if (images.empty()) {
    return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kFailedPrecondition,
                     absl::StrCat(writes ? "" : "no container uses it, and ",
                                  "the engine has no image to make a container from; run as root, "
                                  "or pull any small image (docker pull busybox)"));
  }
  images.resize(std::min(images.size(), kMaxImageTries));
  std::unique_ptr<DockerCarrier> carrier(
      new DockerCarrier(client, source.volume.name, std::move(log)));
  for (const std::string& stale : source.stale_readers) {
    carrier->Remove(stale).IgnoreError();  // another run may be at it, and a later one will try
  }
  absl::Status first;
  for (const std::string& image : images) {
    absl::StatusOr<std::string> id =
        client->CreateReader(image, source.volume.name, kPath, /*read_only=*/!writes);
    if (!id.ok()) {
      if (first.ok()) first = id.status();
      continue;
    }
    carrier->id_ = *std::move(id);
    return carrier;
  }
  return absl::Status(first.code(),
                      absl::StrCat("cannot make a container to ", writes ? "write" : "read",
                                   " it with: ", first.message(),
                                   "; run as root, or pull a small image (docker pull busybox)"));
}

absl::Status DockerCarrier::Remove(const std::string& id) {
  // Its image may have brought it anonymous volumes, which only the container knows. The engine
  // could remove them with it (v=1), and with them the volume, should that be anonymous.
  const absl::StatusOr<DockerContainer> container =
      client_->InspectContainer(id, DockerClient::Ends::kByItself);
  if (absl::IsNotFound(container.status())) return absl::OkStatus();
  VS_RETURN_IF_ERROR(container.status());
  VS_RETURN_IF_ERROR(client_->RemoveContainer(id));
  for (const DockerMount& mount : container->mounts) {
    if (mount.type != "volume" || mount.volume == volume_) continue;
    const absl::Status status = client_->RemoveVolume(mount.volume);
    if (status.ok()) continue;
    log_(Severity::kWarning, absl::StrCat("an empty volume stays behind: ", status.message(),
                                          "; remove it with: docker volume rm ", mount.volume));
  }
  return absl::OkStatus();
}

DockerCarrier::~DockerCarrier() {
  if (id_.empty()) return;
  const absl::Status status = Remove(id_);
  if (status.ok()) return;
  log_(Severity::kWarning,
       absl::StrCat("the container made for the volume stays behind: ", status.message(),
                    "; remove it with: docker rm -f ", id_.substr(0, 12),
                    " (a backup of this volume does so after a week)"));
}

}  // namespace volstream
