#include "stages/doctor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/status_macros.h"
#include "stages/http_transport.h"
#include "stages/local_file.h"
#include "stages/local_storage.h"
#include "stages/s3_client.h"
#include "stages/s3_doctor.h"
#include "stages/s3_storage.h"
#include "stages/storage.h"

namespace volstream {
namespace {

using State = Finding::State;

class LocalDoctor : public Doctor {
 public:
  LocalDoctor(std::string directory, FindingSink on_finding)
      : directory_(std::move(directory)), on_finding_(std::move(on_finding)) {}

  absl::Status Run() override {
    struct stat info {};
    if (stat(directory_.c_str(), &info) != 0) {
      const absl::Status status = FileError(errno, absl::StrCat("destination ", directory_));
      const bool missing = absl::IsNotFound(status);
      Tell(missing ? State::kNote : State::kFailed, "directory",
           missing ? "does not exist: the first backup makes it, if its parent exists"
                   : std::string(status.message()));
      return absl::OkStatus();
    }
    const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenLocalStorage(directory_);
    absl::Status status = storage.status();
    status.Update(storage.ok() ? (*storage)->Check() : status);
    if (!status.ok()) {
      Tell(State::kFailed, "directory", std::string(status.message()));
      return absl::OkStatus();
    }
    Tell(State::kOk, "directory", "is there, and may be written to");
    TellSpace();
    CheckFiles(storage->get());
    return absl::OkStatus();
  }

 private:
  void Tell(State state, std::string check, std::string text) {
    on_finding_({state, std::move(check), std::move(text)});
  }

  void TellSpace() {
    struct statvfs info {};
    if (statvfs(directory_.c_str(), &info) != 0) return;
    const double free_bytes = static_cast<double>(info.f_bavail) * info.f_frsize;
    Tell(State::kOk, "space", absl::StrFormat("%.1f GB free", free_bytes / 1e9));
  }

  void CheckFiles(Storage* storage) {
    const std::string name = absl::StrCat("volstream-doctor-", getpid());
    absl::Status status = storage->Write(name, "probe");
    if (status.ok()) {
      const absl::StatusOr<std::string> got = storage->ReadAll(name);
      status = got.ok() && *got != "probe" ? absl::DataLossError("bytes differ") : got.status();
      status.Update(storage->Remove({name}));
    }
    Tell(status.ok() ? State::kOk : State::kFailed, "files",
         status.ok() ? "can be written, read and removed" : std::string(status.message()));
  }

  const std::string directory_;
  const FindingSink on_finding_;
};

class OwningS3Doctor : public Doctor {
 public:
  OwningS3Doctor(const S3Options& options, std::unique_ptr<HttpTransport> transport)
      : options_(options), transport_(std::move(transport)) {}

  absl::Status Open(const S3Location& location, uint64_t probe_bytes, FindingSink on_finding) {
    VS_ASSIGN_OR_RETURN(client_, S3Client::Create(location.bucket, options_, transport_.get()));
    VS_RETURN_IF_ERROR(options_.object.Validate(client_->https()));
    VS_ASSIGN_OR_RETURN(const S3Provider* provider, S3ProviderOf(options_));
    doctor_ = std::make_unique<S3Doctor>(client_.get(), location, options_, *provider, probe_bytes,
                                         std::move(on_finding));
    return absl::OkStatus();
  }
  absl::Status Run() override { return doctor_->Run(); }
  void Cancel() override { doctor_->Cancel(); }

 private:
  const S3Options options_;
  std::unique_ptr<S3Client> client_;
  // After the client: the transport's last callbacks reach the client.
  std::unique_ptr<HttpTransport> transport_;
  std::unique_ptr<S3Doctor> doctor_;
};

}  // namespace

std::unique_ptr<Doctor> OpenLocalDoctor(std::string directory, FindingSink on_finding) {
  return std::make_unique<LocalDoctor>(std::move(directory), std::move(on_finding));
}

absl::StatusOr<std::unique_ptr<Doctor>> OpenS3Doctor(const S3Location& location,
                                                     const S3Options& given, uint64_t probe_bytes,
                                                     FindingSink on_finding) {
  S3Options options = given;
  VS_RETURN_IF_ERROR(ResolveS3Options(&options));
  VS_RETURN_IF_ERROR(ValidateS3Options(options));
  auto doctor = std::make_unique<OwningS3Doctor>(options, NewS3Transport(options));
  VS_RETURN_IF_ERROR(doctor->Open(location, probe_bytes, std::move(on_finding)));
  return doctor;
}

}  // namespace volstream
