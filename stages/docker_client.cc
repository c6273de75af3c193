#include "stages/docker_client.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/notification.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/curl_transport.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/http_stream.h"
#include "stages/sigv4.h"

namespace volstream {
namespace {

constexpr int kApiMinor = 41;
constexpr int kAlreadySo = 304;  // "Not Modified"
constexpr size_t kMaxAnswerBytes = 64 * kMiB;
constexpr absl::Duration kCallDeadline = absl::Minutes(1);
// The engine walks every volume for its size; a backup does not wait longer for a guess.
constexpr absl::Duration kSizesDeadline = absl::Seconds(20);
// A container's own grace period may be long; databases ask for minutes.
constexpr absl::Duration kStopDeadline = absl::Minutes(30);
// A file system under the volume may be slow, but something must come at last.
constexpr absl::Duration kArchivePatience = absl::Minutes(10);

// The minor version of "1.41"; -1 for anything else.
int MinorOf(const std::string& api) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(absl::string_view(api), absl::MaxSplits('.', 1));
  int minor = -1;
  return halves.first == "1" && absl::SimpleAtoi(halves.second, &minor) ? minor : -1;
}

std::string Escaped(const std::string& text) { return UriEncode(text, /*keep_slash=*/false); }

// The text must outlive the request.
void SetJson(std::string_view json, HttpRequest* request) {
  request->headers.push_back({"Content-Type", "application/json"});
  request->body = AsBytes(json);
}

}  // namespace

DockerClient::DockerClient(DockerEndpoint endpoint, NewTransport new_transport)
    : endpoint_(std::move(endpoint)),
      new_transport_(std::move(new_transport)),
      transport_(new_transport_()) {}

absl::StatusOr<std::unique_ptr<DockerClient>> DockerClient::Connect(DockerEndpoint endpoint,
                                                                    NewTransport new_transport) {
  std::unique_ptr<DockerClient> client(
      new DockerClient(std::move(endpoint), std::move(new_transport)));
  VS_RETURN_IF_ERROR(client->Negotiate());
  return client;
}

absl::StatusOr<std::unique_ptr<DockerClient>> DockerClient::Connect(DockerEndpoint endpoint) {
  CurlTransportOptions options;
  options.unix_socket = endpoint.unix_socket;
  options.ca_file = endpoint.ca_file;
  options.client_cert_file = endpoint.cert_file;
  options.client_key_file = endpoint.key_file;
  return Connect(std::move(endpoint),
                 [options] { return std::make_unique<CurlTransport>(options); });
}

absl::Status DockerClient::Negotiate() {
  absl::StatusOr<std::string> body = Get("/version");
  if (!body.ok() && KindOf(body.status()) == ErrorKind::kGeneral) {
    // An HTTP answer, but no engine's: a TLS port addressed without TLS, some other server.
    return MakeError(ErrorKind::kPrerequisite, body.status().code(),
                     absl::StrCat("no use of ", endpoint_.name, ": ", body.status().message(),
                                  "; check DOCKER_HOST and DOCKER_TLS_VERIFY"));
  }
  if (!body.ok()) return body.status();
  absl::StatusOr<DockerVersion> version = ParseDockerVersion(*body);
  if (!version.ok()) {
    return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kFailedPrecondition,
                     absl::StrCat(endpoint_.name, " is no Docker engine: ",
                                  version.status().message(), "; check DOCKER_HOST"));
  }
  version_ = *std::move(version);
  const int newest = MinorOf(version_.api);
  const int oldest = std::max(MinorOf(version_.minimum_api), 0);
  if (newest < 0) {
    return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("the engine at ", endpoint_.name, " speaks API ", version_.api,
                                  ", which this volstream does not know"));
  }
  api_prefix_ = absl::StrCat("/v1.", std::max(std::min(newest, kApiMinor), oldest));
  return absl::OkStatus();
}

HttpRequest DockerClient::Request(HttpMethod method, const std::string& path) const {
  HttpRequest request;
  request.method = method;
  request.url = absl::StrCat(endpoint_.base_url, api_prefix_, path);
  request.max_body_bytes = kMaxAnswerBytes;
  request.deadline = kCallDeadline;
  request.stall_timeout = absl::InfiniteDuration();  // the deadline is enough
  return request;
}

absl::StatusOr<HttpResponse> DockerClient::Send(HttpRequest request, Ends ends) {
  if (ends == Ends::kWithCancel) request.cancelled = cancelled_;
  absl::StatusOr<HttpResponse> result = absl::InternalError("no answer");
  Notification done;
  transport_->Submit(std::move(request), [&](absl::StatusOr<HttpResponse> response) {
    result = std::move(response);
    done.Notify();
  });
  done.WaitForNotification();
  if (!result.ok()) return ReachError(result.status());
  if (result->status / 100 != 2 && result->status != kAlreadySo) return AnswerError(*result);
  return result;
}

absl::Status DockerClient::ReachError(const absl::Status& status) const {
  if (absl::IsCancelled(status)) {
    return InterruptedError();
  }
  const auto prerequisite = [&status](const std::string& message) {
    return MakeError(ErrorKind::kPrerequisite, status.code(), message);
  };
  const std::string& socket = endpoint_.unix_socket;
  if (absl::IsUnavailable(status) && !socket.empty()) {
    if (access(socket.c_str(), F_OK) != 0 && errno != EACCES) {
      return prerequisite(absl::StrCat("no Docker engine: ", socket,
                                       " does not exist; start the engine (systemctl start ",
                                       "docker), or say where it is with DOCKER_HOST"));
    }
    if (access(socket.c_str(), R_OK | W_OK) != 0) {
      return prerequisite(absl::StrCat("no permission on the Docker socket ", socket,
                                       ": run as root, or join its group (usermod -aG docker ",
                                       "USER) and log in anew"));
    }
  }
  const std::string where = absl::StrCat("the Docker engine at ", endpoint_.name);
  if (absl::IsUnavailable(status)) {
    return prerequisite(absl::StrCat(where, " does not answer: ", status.message(),
                                     "; check that it runs, and DOCKER_HOST",
                                     endpoint_.cert_file.empty() ? "" : " and DOCKER_CERT_PATH"));
  }
  if (absl::IsFailedPrecondition(status)) {
    return prerequisite(absl::StrCat(where, ": ", status.message(),
                                     "; check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY"));
  }
  return WithContext(status, where);
}

absl::Status DockerClient::AnswerError(const HttpResponse& response) const {
  std::string message = DockerMessageOf(response.body);
  if (message.empty()) message = absl::StrCat("HTTP ", response.status);
  const std::string text = absl::StrCat("the Docker engine says: ", message);
  switch (response.status) {
    case 404:
      return absl::NotFoundError(text);
    case 409:
      return absl::FailedPreconditionError(text);
    case 401:
    case 403:
      return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kPermissionDenied, text);
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<std::string> DockerClient::Get(const std::string& path, Ends ends) {
  VS_ASSIGN_OR_RETURN(HttpResponse response, Send(Request(HttpMethod::kGet, path), ends));
  return std::move(response.body);
}

absl::StatusOr<std::string> DockerClient::Post(const std::string& path, const std::string& json,
                                               Ends ends) {
  HttpRequest request = Request(HttpMethod::kPost, path);
  SetJson(json, &request);
  VS_ASSIGN_OR_RETURN(HttpResponse response, Send(std::move(request), ends));
  return std::move(response.body);
}

absl::Status DockerClient::Act(HttpMethod method, const std::string& path, Ends ends,
                               absl::Duration deadline) {
  HttpRequest request = Request(method, path);
  request.deadline = deadline;
  return Send(std::move(request), ends).status();
}

absl::StatusOr<std::vector<DockerContainer>> DockerClient::ListContainers() {
  VS_ASSIGN_OR_RETURN(const std::string body, Get("/containers/json?all=1"));
  return ParseDockerContainers(body);
}

absl::StatusOr<DockerContainer> DockerClient::InspectContainer(const std::string& id_or_name,
                                                               Ends ends) {
  VS_ASSIGN_OR_RETURN(const std::string body,
                      Get(absl::StrCat("/containers/", Escaped(id_or_name), "/json"), ends));
  return ParseDockerContainer(body);
}

absl::StatusOr<std::vector<DockerVolume>> DockerClient::ListVolumes() {
  VS_ASSIGN_OR_RETURN(const std::string body, Get("/volumes"));
  return ParseDockerVolumes(body);
}

absl::StatusOr<DockerVolume> DockerClient::InspectVolume(const std::string& name) {
  VS_ASSIGN_OR_RETURN(const std::string body, Get(absl::StrCat("/volumes/", Escaped(name))));
  return ParseDockerVolume(body);
}

absl::StatusOr<DockerVolume> DockerClient::CreateVolume(const std::string& name) {
  // Its outcome must be known: who makes it may have to remove it.
  VS_ASSIGN_OR_RETURN(const std::string body,
                      Post("/volumes/create", DockerVolumeJson(name), Ends::kByItself));
  return ParseDockerVolume(body);
}

absl::StatusOr<std::map<std::string, uint64_t>> DockerClient::VolumeSizes() {
  HttpRequest request = Request(HttpMethod::kGet, "/system/df?type=volume");
  request.deadline = kSizesDeadline;
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Send(std::move(request)));
  return ParseDockerVolumeSizes(response.body);
}

absl::StatusOr<std::vector<std::string>> DockerClient::ListImageIds() {
  VS_ASSIGN_OR_RETURN(const std::string body, Get("/images/json"));
  return ParseDockerImageIds(body);
}

absl::StatusOr<bool> DockerClient::StopContainer(const std::string& id) {
  HttpRequest request =
      Request(HttpMethod::kPost, absl::StrCat("/containers/", Escaped(id), "/stop"));
  request.deadline = kStopDeadline;
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Send(std::move(request), Ends::kByItself));
  return response.status != kAlreadySo;
}

absl::Status DockerClient::StartContainer(const std::string& id) {
  return Act(HttpMethod::kPost, absl::StrCat("/containers/", Escaped(id), "/start"),
             Ends::kByItself, kCallDeadline);
}

absl::Status DockerClient::PauseContainer(const std::string& id) {
  // Quick, and its outcome must be known as well.
  return Act(HttpMethod::kPost, absl::StrCat("/containers/", Escaped(id), "/pause"),
             Ends::kByItself, kCallDeadline);
}

absl::Status DockerClient::UnpauseContainer(const std::string& id) {
  return Act(HttpMethod::kPost, absl::StrCat("/containers/", Escaped(id), "/unpause"),
             Ends::kByItself, kCallDeadline);
}

absl::StatusOr<std::string> DockerClient::CreateReader(const std::string& image_id,
                                                       const std::string& volume,
                                                       const std::string& destination,
                                                       bool read_only) {
  // Not to be cancelled: a container of unknown id could not be removed.
  VS_ASSIGN_OR_RETURN(
      const std::string body,
      Post("/containers/create", DockerReaderJson(image_id, volume, destination, read_only),
           Ends::kByItself));
  return ParseDockerId(body);
}

absl::Status DockerClient::RemoveContainer(const std::string& id) {
  const absl::Status status =
      Act(HttpMethod::kDelete, absl::StrCat("/containers/", Escaped(id), "?force=1"),
          Ends::kByItself, kCallDeadline);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status DockerClient::RemoveVolume(const std::string& name) {
  const absl::Status status = Act(HttpMethod::kDelete, absl::StrCat("/volumes/", Escaped(name)),
                                  Ends::kByItself, kCallDeadline);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

std::unique_ptr<ByteStream> DockerClient::Archive(const std::string& id, const std::string& path) {
  HttpRequest request = Request(
      HttpMethod::kGet, absl::StrCat("/containers/", Escaped(id), "/archive?path=", Escaped(path)));
  request.deadline = absl::InfiniteDuration();
  return std::make_unique<HttpStream>(
      new_transport_(), std::move(request),
      [this](const HttpResponse& response) { return AnswerError(response); }, kArchivePatience);
}

std::unique_ptr<HttpUpload> DockerClient::Extract(const std::string& id, const std::string& path) {
  HttpRequest request = Request(
      HttpMethod::kPut, absl::StrCat("/containers/", Escaped(id), "/archive?path=", Escaped(path),
                                     "&noOverwriteDirNonDir=1"));
  request.deadline = absl::InfiniteDuration();
  request.headers.push_back({"Content-Type", "application/x-tar"});
  return std::make_unique<HttpUpload>(
      new_transport_(), std::move(request),
      [this](const HttpResponse& response) { return AnswerError(response); }, kArchivePatience);
}

absl::StatusOr<std::string> DockerClient::CreateExec(const std::string& container_id,
                                                     const std::vector<std::string>& argv,
                                                     const std::vector<std::string>& environment,
                                                     SharedCancelFlag cancelled) {
  const std::string json = DockerExecJson(argv, environment);
  HttpRequest request =
      Request(HttpMethod::kPost, absl::StrCat("/containers/", Escaped(container_id), "/exec"));
  SetJson(json, &request);
  request.cancelled = std::move(cancelled);
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Send(std::move(request), Ends::kByItself));
  return ParseDockerId(response.body);
}

absl::Status DockerClient::StartExec(const std::string& exec_id, absl::Duration timeout,
                                     const std::function<void(ByteSpan)>& on_output,
                                     SharedCancelFlag cancelled) {
  HttpRequest request =
      Request(HttpMethod::kPost, absl::StrCat("/exec/", Escaped(exec_id), "/start"));
  SetJson(R"({"Detach":false,"Tty":false})", &request);
  request.deadline = timeout;
  request.on_body = [&on_output](ByteSpan bytes) {
    on_output(bytes);
    return true;
  };
  request.cancelled = std::move(cancelled);
  return Send(std::move(request), Ends::kByItself).status();
}

absl::StatusOr<DockerExecState> DockerClient::InspectExec(const std::string& exec_id) {
  HttpRequest request =
      Request(HttpMethod::kGet, absl::StrCat("/exec/", Escaped(exec_id), "/json"));
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Send(std::move(request), Ends::kByItself));
  return ParseDockerExec(response.body);
}

void DockerClient::Sweep() { transport_->Sweep(); }

void DockerClient::Cancel() {
  cancelled_->store(true);
  transport_->Sweep();
}

}  // namespace volstream
