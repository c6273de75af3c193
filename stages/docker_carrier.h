// DockerCarrier: a container that is made for its mount of a volume alone, from any image of the
// engine, is never started, and is removed again with whatever anonymous volumes its image made it
// have. What the engine reads or writes through it can be nothing but the volume, or its own.
//
// Threads: one at a time. The client must outlive it.
#ifndef VOLSTREAM_STAGES_DOCKER_CARRIER_H_
#define VOLSTREAM_STAGES_DOCKER_CARRIER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/docker_client.h"
#include "stages/docker_volume.h"
#include "stages/event_log.h"

namespace volstream {

class DockerCarrier {
 public:
  // Where the volume is mounted: in "/", under a name that no image has, so that the engine copies
  // nothing of the image into the volume.
  static constexpr char kName[] = "volstream-volume";
  static constexpr char kPath[] = "/volstream-volume";

  enum class Use { kRead, kWrite };

  // Those that killed runs left are removed by the way. Errors: ErrorKind::kPrerequisite where the
  // engine has no image.
  static absl::StatusOr<std::unique_ptr<DockerCarrier>> Make(DockerClient* client,
                                                             const DockerSource& source, Use use,
                                                             EventLog log);
  // Removes the container; a warning where it cannot.
  ~DockerCarrier();
  DockerCarrier(const DockerCarrier&) = delete;
  DockerCarrier& operator=(const DockerCarrier&) = delete;

  const std::string& id() const { return id_; }

 private:
  DockerCarrier(DockerClient* client, std::string volume, EventLog log)
      : client_(client), volume_(std::move(volume)), log_(std::move(log)) {}
  // A container made for this, with the volumes that came with it. OK if it is gone.
  absl::Status Remove(const std::string& id);

  DockerClient* const client_;
  const std::string volume_;
  const EventLog log_;
  std::string id_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_CARRIER_H_
