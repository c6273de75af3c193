// DockerStream: a volume's files as the tar stream that the Docker engine's archive endpoint gives,
// for who may use the engine but not read the volume's directory. Nothing is stored in between.
//
// The stream comes through a container that mounts the whole volume, whether it runs or not; where
// there is none, through one that is made for it (stages/docker_carrier.h).
//
// What the engine's tar holds (seen with Docker 20.10 and Podman 4.3): names relative to the
// volume's root, "./a" from Docker and "a" from Podman, which has no entry for the root itself;
// owners, modes, hard links; times in whole seconds; no sockets. A file that changes while the
// engine reads it may cut the stream short: then the end mark is missing, which is an error here.
//
// Threads: as ByteStream says. The client must outlive it.
#ifndef VOLSTREAM_STAGES_DOCKER_STREAM_H_
#define VOLSTREAM_STAGES_DOCKER_STREAM_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "stages/byte_stream.h"
#include "stages/docker_carrier.h"
#include "stages/docker_client.h"
#include "stages/docker_volume.h"
#include "stages/event_log.h"
#include "stages/tar_watch.h"

namespace volstream {

class DockerStream : public ByteStream {
 public:
  // `held_still`: nothing that volstream knows of writes while it is read.
  DockerStream(DockerClient* client, DockerSource source, bool held_still, EventLog log);
  ~DockerStream() override;

  absl::StatusOr<size_t> Read(MutableByteSpan out) override ABSL_LOCKS_EXCLUDED(mu_);
  void Cancel() override ABSL_LOCKS_EXCLUDED(mu_);
  // SQLite databases, unless held still: the engine copies them as they lie there.
  std::vector<std::string> Warnings() const override;
  uint64_t entries() const override { return watch_.entries(); }
  void VisitEntries(EntryVisitor visit) override { watch_.Visit(std::move(visit)); }

 private:
  absl::StatusOr<size_t> ReadOn(MutableByteSpan out);
  absl::Status Open() ABSL_LOCKS_EXCLUDED(mu_);
  // The path of the volume in a container that shows it as it is; sets container_. Empty if none.
  std::string PathInUser();
  absl::StatusOr<std::string> PathInCarrier();
  absl::Status Explain(const absl::Status& status) const;

  DockerClient* const client_;
  const DockerSource source_;
  const bool held_still_;
  const EventLog log_;
  TarWatch watch_;
  bool ended_ = false;
  std::string container_;                   // whose archive is read
  std::unique_ptr<DockerCarrier> carrier_;  // null = none was made
  Mutex mu_;
  std::unique_ptr<ByteStream> archive_ ABSL_GUARDED_BY(mu_);
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_STREAM_H_
