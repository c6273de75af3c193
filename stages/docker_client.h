// DockerClient: the calls of the Docker Engine API that a backup makes, as functions that wait.
// Docker Engine API v1.41, or what the engine speaks instead (Docker 20.10 to 28, Podman 4).
//
// Threads: all calls are safe at the same time. Cancel() ends all of them but those that change
// something (Stop, Pause, Create), those of an exec, and those that put it back (Start, Unpause,
// Remove): the outcome of the former must be known before the latter can follow. Errors: one line;
// ErrorKind::kPrerequisite where the engine cannot be reached, with the remedy; kNotFound for 404,
// kFailedPrecondition for 409, kPermissionDenied for 401 and 403, else kInternal with what the
// engine says.
#ifndef VOLSTREAM_STAGES_DOCKER_CLIENT_H_
#define VOLSTREAM_STAGES_DOCKER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/byte_stream.h"
#include "stages/docker_config.h"
#include "stages/docker_json.h"
#include "stages/http_transport.h"
#include "stages/http_upload.h"

namespace volstream {

class DockerClient {
 public:
  // A transport to the endpoint; each stream gets one of its own.
  using NewTransport = std::function<std::unique_ptr<HttpTransport>()>;

  // Asks the engine for its version.
  static absl::StatusOr<std::unique_ptr<DockerClient>> Connect(DockerEndpoint endpoint,
                                                               NewTransport new_transport);
  // The same over CurlTransport.
  static absl::StatusOr<std::unique_ptr<DockerClient>> Connect(DockerEndpoint endpoint);

  const DockerEndpoint& endpoint() const { return endpoint_; }
  const DockerVersion& version() const { return version_; }

  // Whether a call ends with Cancel(). What undoes something must not.
  enum class Ends { kWithCancel, kByItself };

  // All containers, those that do not run included.
  absl::StatusOr<std::vector<DockerContainer>> ListContainers();
  absl::StatusOr<DockerContainer> InspectContainer(const std::string& id_or_name,
                                                   Ends ends = Ends::kWithCancel);
  absl::StatusOr<std::vector<DockerVolume>> ListVolumes();
  absl::StatusOr<DockerVolume> InspectVolume(const std::string& name);
  // Of the engine's own driver, without labels; the one that is there, if it is.
  absl::StatusOr<DockerVolume> CreateVolume(const std::string& name);
  // Bytes by volume, where the engine knows them. May take long: the engine walks the volumes.
  absl::StatusOr<std::map<std::string, uint64_t>> VolumeSizes();
  absl::StatusOr<std::vector<std::string>> ListImageIds();

  // Waits until the container has stopped, killed by the engine at the end of the container's own
  // grace period. False if it did not run before.
  absl::StatusOr<bool> StopContainer(const std::string& id);
  absl::Status StartContainer(const std::string& id);  // OK if it runs
  absl::Status PauseContainer(const std::string& id);
  absl::Status UnpauseContainer(const std::string& id);

  // Makes a container that is never started and only carries the volume; its id.
  absl::StatusOr<std::string> CreateReader(const std::string& image_id, const std::string& volume,
                                           const std::string& destination, bool read_only);
  // Both OK if it is gone. A container's volumes stay, anonymous ones too.
  absl::Status RemoveContainer(const std::string& id);
  absl::Status RemoveVolume(const std::string& name);

  // What lies under `path` in the container as a tar stream. The request starts with the first
  // Read. Names are relative to the path when it ends in "/.".
  std::unique_ptr<ByteStream> Archive(const std::string& id, const std::string& path);

  // Takes a tar stream and unpacks it in the directory `path` of the container, which must be
  // there; what is there is replaced, but no directory by anything else, nor the reverse. The
  // request starts with the first Write.
  std::unique_ptr<HttpUpload> Extract(const std::string& id, const std::string& path);

  // A command in the container, not yet running; its id. The calls of an exec end with a flag of
  // their own (may be null) once it is set and Sweep() called, and not with Cancel(): some hooks
  // have to run after it.
  using SharedCancelFlag = std::shared_ptr<const CancelFlag>;
  absl::StatusOr<std::string> CreateExec(const std::string& container_id,
                                         const std::vector<std::string>& argv,
                                         const std::vector<std::string>& environment,
                                         SharedCancelFlag cancelled);
  // Runs it to its end; the raw stream of its output comes piece by piece, on another thread.
  // kDeadlineExceeded after `timeout`; the command itself may go on then.
  absl::Status StartExec(const std::string& exec_id, absl::Duration timeout,
                         const std::function<void(ByteSpan)>& on_output,
                         SharedCancelFlag cancelled);
  absl::StatusOr<DockerExecState> InspectExec(const std::string& exec_id);
  void Sweep();

  // For good. Any thread; does not wait.
  void Cancel();
  bool cancelled() const { return cancelled_->load(); }

 private:
  DockerClient(DockerEndpoint endpoint, NewTransport new_transport);
  absl::Status Negotiate();
  HttpRequest Request(HttpMethod method, const std::string& path) const;
  absl::StatusOr<HttpResponse> Send(HttpRequest request, Ends ends = Ends::kWithCancel);
  absl::StatusOr<std::string> Get(const std::string& path, Ends ends = Ends::kWithCancel);
  absl::StatusOr<std::string> Post(const std::string& path, const std::string& json,
                                   Ends ends = Ends::kWithCancel);
  absl::Status Act(HttpMethod method, const std::string& path, Ends ends, absl::Duration deadline);
  absl::Status AnswerError(const HttpResponse& response) const;
  absl::Status ReachError(const absl::Status& status) const;

  const DockerEndpoint endpoint_;
  const NewTransport new_transport_;
  const std::shared_ptr<CancelFlag> cancelled_ = std::make_shared<CancelFlag>(false);
  DockerVersion version_;
  std::string api_prefix_;  // "/v1.41"; empty until it is known
  std::unique_ptr<HttpTransport> transport_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_CLIENT_H_
