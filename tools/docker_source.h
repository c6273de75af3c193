// DockerSource flags and session: how `volstream backup` finds a Docker volume, and what it does
// around the reading of any source: hooks, containers stopped or paused.
#ifndef VOLSTREAM_TOOLS_DOCKER_SOURCE_H_
#define VOLSTREAM_TOOLS_DOCKER_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/backup.h"
#include "stages/byte_stream.h"
#include "stages/docker_client.h"
#include "stages/docker_volume.h"
#include "stages/read_window.h"
#include "tools/container_hold.h"
#include "tools/log.h"

namespace volstream {

struct DockerFlags {
  HoldFlags hold;
  std::string pre_hook;
  std::string post_hook;
  std::string hook_timeout = "10m";
  uint64_t expected_bytes = 0;

  void AddTo(CLI::App* app);
};

// One backup's source, from the flags to the end of the backup. Threads: as ReadWindow says.
class SourceSession {
 public:
  // SOURCE is empty or docker:VOLUME for a volume of the Docker engine, "-" for standard input,
  // else a directory. Asks the engine where it is needed; changes nothing yet. The log must outlive
  // the session.
  static absl::StatusOr<std::unique_ptr<SourceSession>> Open(const DockerFlags& flags,
                                                             const std::string& source, Log* log);

  // Says what to back up, and sets the calls around its reading.
  void AddTo(BackupOptions* options);
  // After Backup::Run. See ReadWindow::Finish.
  absl::Status Finish(bool backup_ok);
  void Cancel();

 private:
  explicit SourceSession(Log* log) : log_(log), hold_(log) {}
  absl::Status Connect();
  absl::Status FindVolume(const std::string& name);
  absl::Status OpenStandardInput();
  absl::Status FindUsersOf(const std::string& directory);
  // Sets what is to be stopped or paused, from the flags and labels.
  absl::Status ChooseContainers(const HoldFlags& flags, ReadWindowOptions* window);
  // Whether no container writes to the volume while it is read: those that would are held, or there
  // is none that runs.
  bool HeldStill() const;
  absl::Status Enter();

  Log* const log_;
  std::string source_;  // directory, or how the stream is called
  std::string name_;    // of the volume; empty for a directory
  std::unique_ptr<DockerClient> docker_;
  DockerSource volume_;  // its users also for a directory
  uint64_t bytes_hint_ = 0;
  // Later ones use the earlier.
  std::unique_ptr<ByteStream> stream_;
  bool stream_is_tar_ = true;
  ContainerHold hold_;
  std::unique_ptr<ReadWindow> window_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_DOCKER_SOURCE_H_
