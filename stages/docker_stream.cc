#include "stages/docker_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// Whether another mount hides part of the volume.
bool HasMountBelow(const DockerContainer& container, const std::string& destination) {
  const std::string prefix =
      absl::EndsWith(destination, "/") ? destination : absl::StrCat(destination, "/");
  return std::any_of(
      container.mounts.begin(), container.mounts.end(), [&](const DockerMount& mount) {
        return mount.destination != destination && absl::StartsWith(mount.destination, prefix);
      });
}

}  // namespace

DockerStream::DockerStream(DockerClient* client, DockerSource source, bool held_still, EventLog log)
    : client_(client), source_(std::move(source)), held_still_(held_still), log_(std::move(log)) {}

DockerStream::~DockerStream() {
  // Before the container goes.
  MutexLock lock(&mu_);
  archive_.reset();
}

absl::StatusOr<size_t> DockerStream::Read(MutableByteSpan out) {
  absl::StatusOr<size_t> bytes = ReadOn(out);
  if (!bytes.ok()) return Explain(bytes.status());
  return bytes;
}

absl::StatusOr<size_t> DockerStream::ReadOn(MutableByteSpan out) {
  if (ended_) return 0;
  if (container_.empty()) VS_RETURN_IF_ERROR(Open());
  ByteStream* archive = nullptr;
  {
    MutexLock lock(&mu_);
    archive = archive_.get();
  }
  VS_ASSIGN_OR_RETURN(const size_t bytes, archive->Read(out));
  VS_RETURN_IF_ERROR(watch_.Feed(out.first(bytes)));
  if (bytes > 0) return bytes;
  VS_RETURN_IF_ERROR(watch_.Finish());
  ended_ = true;
  carrier_.reset();
  return 0;
}

absl::Status DockerStream::Explain(const absl::Status& status) const {
  if (absl::IsCancelled(status)) return status;
  const std::string where =
      absl::StrCat("volume ", source_.volume.name, " through the Docker engine");
  if (!absl::IsDataLoss(status)) return WithContext(status, where);
  return absl::DataLossError(
      absl::StrCat(where, ": ", status.message(),
                   "; files that change meanwhile do this: back up again with --stop or --pause"));
}

absl::Status DockerStream::Open() {
  std::string path = PathInUser();
  if (path.empty()) {
    VS_ASSIGN_OR_RETURN(path, PathInCarrier());
  }
  // "/." asks for names relative to the directory.
  std::unique_ptr<ByteStream> archive =
      client_->Archive(container_, absl::StrCat(path == "/" ? "" : path, "/."));
  MutexLock lock(&mu_);
  if (cancelled_) return absl::CancelledError("cancelled");
  archive_ = std::move(archive);
  return absl::OkStatus();
}

std::string DockerStream::PathInUser() {
  for (const DockerContainer& user : source_.users) {
    const absl::StatusOr<DockerContainer> container = client_->InspectContainer(user.id);
    if (!container.ok() || container->state == "removing" || container->state == "dead") continue;
    const DockerMount* const mount = container->MountOf(source_.volume.name);
    if (mount == nullptr || !mount->whole || HasMountBelow(*container, mount->destination)) {
      continue;
    }
    container_ = container->id;
    return mount->destination;
  }
  return "";
}

absl::StatusOr<std::string> DockerStream::PathInCarrier() {
  VS_ASSIGN_OR_RETURN(carrier_,
                      DockerCarrier::Make(client_, source_, DockerCarrier::Use::kRead, log_));
  container_ = carrier_->id();
  return DockerCarrier::kPath;
}

std::vector<std::string> DockerStream::Warnings() const {
  const uint64_t databases = watch_.sqlite_files();
  if (held_still_ || databases == 0) return {};
  return {absl::StrCat(databases,
                       databases == 1 ? " SQLite database came" : " SQLite databases came",
                       " through the Docker engine as they lay there and may be inconsistent: use "
                       "--stop or --pause, or run where the volume can be read in place")};
}

void DockerStream::Cancel() {
  MutexLock lock(&mu_);
  cancelled_ = true;
  if (archive_ != nullptr) archive_->Cancel();
}

}  // namespace volstream
