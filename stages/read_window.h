// ReadWindow: what happens around the reading of a source, so that its files hold still meanwhile
// and for no longer:
//
//   Open:   host pre-hook, pre-hooks in containers, containers stopped or paused
//           ... the source is read ...
//   Close:  containers brought back, post-hooks in containers; on a thread of the window's own (in
//           Finish where the system has none to give)
//   Finish: host post-hook, once the whole backup is done
//
// A post-hook undoes what its pre-hook did, so it runs whenever the other was begun, even in vain:
// in containers with VOLSTREAM_STATUS=failed where Open failed, on the host with the backup's
// outcome. All get VOLSTREAM_SOURCE. A failed pre-hook ends the backup before anything is read.
//
// Threads: Open, then Close, then Finish, each by any thread; Close may be called again. Cancel by
// any thread at any time: it ends a hook that runs before the reading, and the host post-hook.
#ifndef VOLSTREAM_STAGES_READ_WINDOW_H_
#define VOLSTREAM_STAGES_READ_WINDOW_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/docker_client.h"
#include "stages/docker_pause.h"
#include "stages/event_log.h"
#include "stages/host_command.h"

namespace volstream {

struct ReadWindowOptions {
  std::string source;    // for VOLSTREAM_SOURCE
  std::string pre_hook;  // shell commands on this machine; empty = none
  std::string post_hook;
  absl::Duration hook_timeout = absl::Minutes(10);  // of each

  DockerClient* docker = nullptr;       // null = no containers below
  std::vector<DockerContainer> hooked;  // whose labels may name hooks
  std::optional<PauseMode> pause;
  std::vector<DockerContainer> to_pause;
  DockerPause::OnStep on_step;
  std::string instead_of_stop = DockerPause::kPauseInstead;  // see DockerPause

  EventLog log;
};

class ReadWindow {
 public:
  // Labels of containers.
  static constexpr char kPreHookLabel[] = "volstream.pre-hook";
  static constexpr char kPostHookLabel[] = "volstream.post-hook";
  static constexpr char kStopLabel[] = "volstream.stop-during-backup";

  // The client must outlive it.
  explicit ReadWindow(ReadWindowOptions options);
  // Closes it, if it is open.
  ~ReadWindow();

  // What BackupOptions::before_read and after_read are for. Close returns at once.
  absl::Status Open();
  void Close() ABSL_LOCKS_EXCLUDED(mu_);
  // Waits for Close, then runs the host post-hook. ErrorKind::kPartial when a container did not
  // come back or a post-hook failed; each was a warning in the log.
  absl::Status Finish(bool backup_ok) ABSL_LOCKS_EXCLUDED(mu_);
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Status RunHostHook(const std::string& what, const std::string& command,
                           const std::string& status) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RunContainerHook(const DockerContainer& container, const char* label,
                                const std::string& status,
                                const std::shared_ptr<const CancelFlag>& cancelled);
  absl::Status PreHooks();
  void Leave();
  // Waits until Leave is done, or does it.
  void FinishLeaving() ABSL_LOCKS_EXCLUDED(mu_);
  // Notes a failure after the reading, of which the first is Finish's outcome.
  void Note(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  const ReadWindowOptions options_;
  const std::shared_ptr<CancelFlag> cancelled_ = std::make_shared<CancelFlag>(false);
  std::optional<DockerPause> pause_;
  bool host_hook_begun_ = false;
  std::vector<DockerContainer> entered_;  // whose pre-hook was begun
  bool open_failed_ = false;

  Mutex mu_;
  HostCommand* running_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool opened_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::thread leaving_ ABSL_GUARDED_BY(mu_);
  bool leave_in_finish_ ABSL_GUARDED_BY(mu_) = false;  // there was no thread for it
  absl::Status after_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_READ_WINDOW_H_
