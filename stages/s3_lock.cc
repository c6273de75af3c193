#include "stages/s3_lock.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/retry_policy.h"
#include "stages/s3_requests.h"

namespace volstream {
namespace {

constexpr size_t kMaxLockBytes = 64 * 1024;
// Losing a race for it this often in a row is no race any more.
constexpr int kMaxTakes = 4;
// A refresh must be over long before the lease is, and the end of a run must not wait for long.
constexpr int kMaxTries = 2;
constexpr absl::Duration kDeadline = absl::Seconds(20);

struct Seen {
  LockInfo info;
  std::string etag;
};

class S3Lock : public StorageLock {
 public:
  explicit S3Lock(const S3LockPlace& place)
      : place_(place), owner_(LockOwner::OfThisProcess(place.clock(), kLockLease)) {}

  absl::Status Take();
  // From here on requests are bounded: see kMaxTries.
  void SetTaken() { taken_ = true; }
  absl::Status Refresh() override;
  absl::Status Release() override;

  // Nothing if there is no lock.
  absl::StatusOr<std::optional<Seen>> Read(bool cancellable = true);

 private:
  enum class Condition { kNone, kAbsent, kUnchanged };

  // What every request has.
  absl::StatusOr<HttpResponse> Call(S3Request request, bool cancellable);
  // Writes the owner; etag_ is the new object's.
  absl::Status Put(Condition condition, const std::string& etag, bool cancellable = true);
  // Whether the lock is weak: a second condition that must fail does not.
  absl::Status TryConditions();
  // What it means that this is what is there; etag_ is the one of what is ours.
  absl::Status CheckOurs(const std::optional<Seen>& seen);
  // Release by a key that may not read.
  absl::Status ReleaseUnread(const absl::Status& denied);
  absl::Status Delete() {
    return Call(DeleteObjectRequest(place_.key), /*cancellable=*/false).status();
  }
  absl::Status Lost(std::string_view how) const {
    return MakeError(ErrorKind::kBusy, absl::StatusCode::kAborted,
                     absl::StrCat("the lock ", Url(), " ", std::string(how),
                                  ": another run may be at work on ", place_.stem));
  }
  std::string Url() const { return place_.client->UrlOf(place_.key); }

  const S3LockPlace place_;
  LockOwner owner_;
  std::string etag_;
  bool taken_ = false;
  bool weak_ = false;  // conditions are not honoured
  bool lost_ = false;
};

// The header is refused, not the condition.
bool IsRefused(const absl::Status& status) {
  return absl::IsUnimplemented(status) || absl::IsInvalidArgument(status);
}

absl::Status WithReadRemedy(const absl::Status& status) {
  if (!absl::IsPermissionDenied(status)) return status;
  return MakeError(ErrorKind::kS3, status.code(),
                   absl::StrCat(status.message(),
                                "; a lock must be read to be taken: allow s3:GetObject for it, or "
                                "take none with --no-lock"));
}

absl::StatusOr<HttpResponse> S3Lock::Call(S3Request request, bool cancellable) {
  request.what = absl::StrCat("the lock ", Url());
  if (taken_) {
    request.max_tries = kMaxTries;
    request.deadline = kDeadline;
  }
  if (cancellable) request.cancelled = place_.cancelled;
  return place_.client->Call(std::move(request));
}

absl::StatusOr<std::optional<Seen>> S3Lock::Read(bool cancellable) {
  S3Request request = GetObjectRequest(place_.key, kMaxLockBytes);
  request.AddHeaders(place_.object->KeyHeaders());
  const absl::StatusOr<HttpResponse> response = Call(std::move(request), cancellable);
  if (absl::IsNotFound(response.status())) return std::nullopt;
  if (!response.ok()) return response.status();
  Seen seen;
  seen.etag = PlainEtag(response->Header("ETag"));
  seen.info.stem = place_.stem;
  seen.info.url = Url();
  absl::Duration lease = kLockLease;
  if (absl::StatusOr<LockOwner> owner = LockOwner::FromJson(response->body); owner.ok()) {
    seen.info.owner = *std::move(owner);
    lease = seen.info.owner.lease;
  }
  const absl::Time now = ParseHttpDate(response->Header("Date")).value_or(place_.clock());
  seen.info.expires = ParseHttpDate(response->Header("Last-Modified")).value_or(now) + lease;
  seen.info.held = !seen.info.owner.released && now < seen.info.expires &&
                   StateOf(seen.info.owner) != ProcessState::kEnded;
  return seen;
}

absl::Status S3Lock::Put(Condition condition, const std::string& etag, bool cancellable) {
  ++owner_.writes;
  std::string body = owner_.ToJson();
  S3Request request =
      condition == Condition::kAbsent      ? PutIfAbsentRequest(place_.key, std::move(body))
      : condition == Condition::kUnchanged ? PutIfMatchRequest(place_.key, std::move(body), etag)
                                           : PutSmallObjectRequest(place_.key, std::move(body));
  for (HttpHeader& header : place_.object->CreateHeaders(place_.clock(), /*archive=*/false)) {
    // A lock that stays for years is none.
    if (absl::StartsWith(header.name, "x-amz-object-lock-")) continue;
    request.headers.push_back(std::move(header));
  }
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Call(std::move(request), cancellable));
  etag_ = PlainEtag(response.Header("ETag"));
  return absl::OkStatus();
}

absl::Status S3Lock::Take() {
  for (int i = 0; i < kMaxTakes; ++i) {
    const absl::StatusOr<std::optional<Seen>> read = Read();
    if (!read.ok()) return WithReadRemedy(read.status());
    const std::optional<Seen>& seen = *read;
    absl::Status status;
    if (seen.has_value() && seen->info.owner.id == owner_.id) {
      etag_ = seen->etag;  // a write whose answer was lost
    } else if (seen.has_value() && seen->info.held) {
      return LockHeldError(seen->info, place_.destination);
    } else {
      status =
          seen.has_value() ? Put(Condition::kUnchanged, seen->etag) : Put(Condition::kAbsent, "");
      if (IsRefused(status)) {
        weak_ = true;
        status = Put(Condition::kNone, "");
      }
    }
    // Somebody was faster: what is there now decides.
    if (absl::IsAborted(status) || absl::IsNotFound(status)) continue;
    VS_RETURN_IF_ERROR(status);
    if (seen.has_value() && seen->info.owner.id != owner_.id && !seen->info.owner.released) {
      notes_.push_back(absl::StrCat("took over the lock ", Url(),
                                    " of a run that is over: ", seen->info.owner.ToString()));
    }
    return TryConditions();
  }
  return MakeError(
      ErrorKind::kBusy, absl::StatusCode::kAborted,
      absl::StrCat("the lock ", Url(), " changes hands all the time: run again later"));
}

absl::Status S3Lock::TryConditions() {
  if (!weak_) {
    const absl::Status status = Put(Condition::kAbsent, "");
    weak_ = !absl::IsAborted(status);
    if (!status.ok() && weak_ && !IsRefused(status)) return status;
  }
  if (!weak_) return absl::OkStatus();
  const absl::StatusOr<std::optional<Seen>> read = Read();
  if (!read.ok()) return WithReadRemedy(read.status());
  const std::optional<Seen>& seen = *read;
  if (!seen.has_value()) return Lost("vanished");
  if (seen->info.owner.id != owner_.id) return LockHeldError(seen->info, place_.destination);
  notes_.push_back(absl::StrCat("the provider does not honour conditional writes, so the lock ",
                                Url(),
                                " is no more than a best effort: see to it that no two runs "
                                "begin at the same moment"));
  return absl::OkStatus();
}

absl::Status S3Lock::Refresh() {
  if (lost_) return Lost("was lost");
  if (!weak_) {
    const absl::Status status = Put(Condition::kUnchanged, etag_);
    if (status.ok()) return status;
    if (IsRefused(status)) {
      weak_ = true;
    } else if (!absl::IsAborted(status) && !absl::IsNotFound(status)) {
      return status;
    }
  }
  // Ours if a write went through whose answer was lost.
  VS_ASSIGN_OR_RETURN(std::optional<Seen> seen, Read());
  VS_RETURN_IF_ERROR(CheckOurs(seen));
  if (weak_) return Put(Condition::kNone, "");
  const absl::Status status = Put(Condition::kUnchanged, etag_);
  if (!absl::IsAborted(status) && !absl::IsNotFound(status)) return status;
  // As may this one have: if so, it has renewed the lock.
  VS_ASSIGN_OR_RETURN(seen, Read());
  return CheckOurs(seen);
}

absl::Status S3Lock::CheckOurs(const std::optional<Seen>& seen) {
  lost_ = !seen.has_value() || seen->info.owner.id != owner_.id;
  if (!seen.has_value()) return Lost("was removed");
  if (lost_) return Lost("was taken over by " + seen->info.owner.ToString());
  etag_ = seen->etag;
  return absl::OkStatus();
}

absl::Status S3Lock::Release() {
  if (lost_) return absl::OkStatus();
  const absl::StatusOr<std::optional<Seen>> read = Read(/*cancellable=*/false);
  if (absl::IsPermissionDenied(read.status())) return ReleaseUnread(read.status());
  if (!read.ok()) return read.status();
  const std::optional<Seen>& seen = *read;
  if (!seen.has_value() || seen->info.owner.id != owner_.id) return absl::OkStatus();
  const absl::Status status = Delete();
  if (!absl::IsPermissionDenied(status)) return status;
  // A key that must not remove anything: what it may write says the same.
  owner_.released = true;
  return Put(weak_ ? Condition::kNone : Condition::kUnchanged, seen->etag, /*cancellable=*/false);
}

absl::Status S3Lock::ReleaseUnread(const absl::Status& denied) {
  // Nothing is known to have been written: what is there is another's.
  if (etag_.empty()) return denied;
  // A renewal says whose it is, and leaves the whole lease for the removal.
  if (!weak_) VS_RETURN_IF_ERROR(Put(Condition::kUnchanged, etag_, /*cancellable=*/false));
  const absl::Status status = Delete();
  if (!absl::IsPermissionDenied(status)) return status;
  owner_.released = true;
  return Put(weak_ ? Condition::kNone : Condition::kUnchanged, etag_, /*cancellable=*/false);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StorageLock>> TakeS3Lock(const S3LockPlace& place) {
  auto lock = std::make_unique<S3Lock>(place);
  const absl::Status status = lock->Take();
  lock->SetTaken();
  if (status.ok()) return lock;
  // What was written before it failed must not keep others out.
  if (KindOf(status) != ErrorKind::kBusy) lock->Release().IgnoreError();
  return status;
}

absl::StatusOr<LockInfo> ReadS3Lock(const S3LockPlace& place) {
  VS_ASSIGN_OR_RETURN(const std::optional<Seen> seen, S3Lock(place).Read());
  if (!seen.has_value()) return absl::NotFoundError("no lock");
  return seen->info;
}

}  // namespace volstream
