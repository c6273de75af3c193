// DockerTarget: a volume of the Docker engine as the target of `volstream restore`: found or made,
// with no container at work on it while it is written.
#ifndef VOLSTREAM_TOOLS_DOCKER_TARGET_H_
#define VOLSTREAM_TOOLS_DOCKER_TARGET_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "stages/docker_carrier.h"
#include "stages/docker_client.h"
#include "stages/docker_volume.h"
#include "stages/http_upload.h"
#include "stages/read_window.h"
#include "stages/restore.h"
#include "tools/container_hold.h"
#include "tools/log.h"

namespace volstream {

struct DockerTargetFlags {
  HoldFlags hold;  // never pauses
  bool create = false;
  bool live = false;

  void AddTo(CLI::App* app);
  // The first of them that was given, such as "--stop"; empty if none was.
  std::string Given() const;
};

// One restore's target, from the flags to the end of the restore. Threads: as ReadWindow says.
class DockerTarget {
 public:
  // Whether the target is docker:VOLUME.
  static bool IsOne(const std::string& target);

  // REQUIRES: IsOne(target). Asks the engine; with --create makes the volume, unless `dry_run`. The
  // log must outlive it.
  // Errors: ErrorKind::kVolumeNotFound where there is none; kFailedPrecondition where containers
  // write to it that are neither held nor, with --live, put up with.
  static absl::StatusOr<std::unique_ptr<DockerTarget>> Open(const DockerTargetFlags& flags,
                                                            const std::string& target, bool dry_run,
                                                            Log* log);

  // Removes a volume that was made and not written to.
  ~DockerTarget();
  DockerTarget(const DockerTarget&) = delete;
  DockerTarget& operator=(const DockerTarget&) = delete;

  // Says how to restore, whose files they become, and what to do before. Not with --dry-run.
  // Error: kInvalidArgument where the engine has to write and cannot do so as the options want it.
  absl::Status AddTo(RestoreOptions* options);
  // After RestoreArchive, whose writer is gone: brings containers back. ErrorKind::kPartial where
  // one did not come.
  absl::Status Finish();
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  DockerTarget(std::string name, Log* log) : name_(std::move(name)), log_(log), hold_(log) {}
  absl::Status FindVolume(const DockerTargetFlags& flags, bool dry_run);
  absl::Status ChooseContainers(const HoldFlags& flags);
  // Errors if a container writes to the volume, as `users` are now, but for those that are held.
  absl::Status CheckNobodyWrites(const std::vector<DockerContainer>& users) const;
  absl::Status Enter();
  // Through the engine: what is in the volume, and what writes to it.
  absl::Status CheckEmpty();
  absl::StatusOr<std::unique_ptr<TreeWriter>> OpenWriter(TreeWriterOptions options)
      ABSL_LOCKS_EXCLUDED(mu_);

  const std::string name_;  // the volume's
  Log* const log_;
  bool live_ = false;
  bool created_ = false;
  bool entered_ = false;  // what comes now changes the volume
  Overwrite overwrite_ = Overwrite::kRefuse;
  std::unique_ptr<DockerClient> docker_;
  DockerSource volume_;
  // Later ones use the earlier.
  ContainerHold hold_;
  std::unique_ptr<ReadWindow> window_;
  std::unique_ptr<DockerCarrier> carrier_;  // null where it is written in place
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<HttpUpload> upload_ ABSL_GUARDED_BY(mu_);  // null before it begins
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_DOCKER_TARGET_H_
