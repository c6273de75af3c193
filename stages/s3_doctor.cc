#include "stages/s3_doctor.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "stages/absl_text.h"
#include "stages/crc.h"
#include "stages/digest.h"
#include "stages/retry_policy.h"
#include "stages/s3_checksum.h"
#include "stages/s3_error.h"
#include "stages/s3_proof.h"
#include "stages/s3_sink.h"

namespace volstream {
namespace {

using State = Finding::State;

// A part as backups of some GiB have them.
constexpr size_t kPartBytes = 8 * kMiB;
constexpr size_t kSmallBytes = 1000;
constexpr absl::Duration kSmallSkew = absl::Seconds(30);
// S3 refuses signatures that are older (or newer) than this.
constexpr absl::Duration kMaxSkew = absl::Minutes(15);

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(std::random_device{}());
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::string ProbeName() {
  std::random_device random;
  return absl::StrFormat("volstream-doctor-%08x%08x", random(), random());
}

std::string Rate(uint64_t bytes, absl::Duration elapsed) {
  return absl::StrFormat("%.1f MB/s",
                         static_cast<double>(bytes) / 1e6 / absl::ToDoubleSeconds(elapsed));
}

}  // namespace

S3Doctor::S3Doctor(S3Client* client, const S3Location& location, const S3Options& options,
                   const S3Provider& provider, uint64_t probe_bytes, FindingSink on_finding)
    : client_(client),
      location_(location),
      options_(options),
      provider_(provider),
      probe_bytes_(probe_bytes),
      on_finding_(std::move(on_finding)),
      probe_(client, location.prefix + ProbeName(), options.object),
      bytes_(RandomBytes(kPartBytes)) {}

void S3Doctor::Tell(State state, std::string_view check, std::string text) {
  on_finding_({state, std::string(check), std::move(text)});
}

void S3Doctor::TellFailure(std::string_view check, const absl::Status& status) {
  if (probe_.cancelled()) return;
  Tell(State::kFailed, check, std::string(status.message()));
}

absl::Status S3Doctor::Run() {
  TellSettings();
  CheckAll();
  const std::vector<std::string> left = probe_.Clean();
  for (const std::string& text : left) {
    Tell(State::kFailed, "cleaning up", absl::StrCat(text, "; remove it by hand"));
  }
  if (probe_.cancelled()) return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

void S3Doctor::CheckAll() {
  if (!CheckList() || probe_.cancelled()) return;
  CheckVersioning();
  if (CheckObjectLock() && CheckPut() && !probe_.cancelled()) {
    CheckConditionalPut();
    CheckChecksum();
    CheckTransfer();
    CheckRemoval();
  }
  if (!probe_.cancelled()) CheckAbort();
}

void S3Doctor::TellSettings() {
  const absl::StatusOr<S3Address> address = S3AddressOf(location_.bucket, options_);
  if (!address.ok()) return TellFailure("endpoint", address.status());
  const bool by_path = !address->path_prefix.empty();
  Tell(State::kOk, "endpoint",
       absl::StrCat(address->origin, ", region ", S3RegionOf(options_), "; bucket by ",
                    by_path ? "path" : "host name",
                    options_.addressing == S3Addressing::kAuto ? ", as this provider has it"
                                                               : ", as asked for"));
  std::string text = absl::StrCat(ToAbsl(provider_.title),
                                  options_.provider.empty() || options_.provider == "auto"
                                      ? " (by the endpoint's name; --provider says another)"
                                      : " (as asked for)",
                                  "; at most ", provider_.max_parts, " parts",
                                  provider_.equal_parts ? ", all of one size" : "");
  if (!provider_.note.empty()) absl::StrAppend(&text, "; ", ToAbsl(provider_.note));
  Tell(State::kOk, "provider", std::move(text));
  Tell(State::kOk, "credentials",
       options_.credentials != nullptr ? options_.credentials->Describe() : "given by the caller");
  for (const char* const name : {"HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    // Not the value: it may hold a password.
    Tell(State::kNote, "proxy", absl::StrCat("$", name, " is set; NO_PROXY excepts hosts"));
    break;
  }
  if (!client_->https()) {
    Tell(State::kWarning, "TLS", "none: names, sizes and contents go over the network in the open");
  }
}

bool S3Doctor::CheckList() {
  const absl::Time begin = absl::Now();
  const absl::StatusOr<HttpResponse> answer =
      probe_.Call(ListObjectsRequest(location_.prefix, "", 1), location_.Url());
  if (!answer.ok()) {
    TellFailure("list", answer.status());
    // Anything else would fail in the same way.
    return absl::IsPermissionDenied(answer.status());
  }
  const absl::StatusOr<ObjectPage> page = ParseObjectPage(answer->body);
  if (!page.ok()) {
    TellFailure("list", page.status());
    return false;
  }
  Tell(State::kOk, "connection",
       absl::StrFormat("first answer after %.0f ms, %s",
                       absl::ToDoubleMilliseconds(absl::Now() - begin),
                       client_->https() ? "the certificate is trusted" : "without TLS"));
  CheckClock(*answer);
  Tell(State::kOk, "list", "backups can be listed");
  return true;
}

void S3Doctor::CheckClock(const HttpResponse& answer) {
  const std::optional<absl::Time> server = ParseHttpDate(answer.Header("Date"));
  if (!server.has_value()) return Tell(State::kSkipped, "clock", "the server gives no date");
  const absl::Duration skew = *server - absl::Now();
  // The header has whole seconds, and the answer took some time.
  if (absl::AbsDuration(skew) < kSmallSkew) {
    return Tell(State::kOk, "clock", "agrees with the server's");
  }
  Tell(State::kWarning, "clock",
       absl::StrFormat(
           "%.0f s %s the server's%s; set this machine's clock (NTP): names and "
           "retention go by it",
           absl::ToDoubleSeconds(absl::AbsDuration(skew)),
           skew > absl::ZeroDuration() ? "behind" : "ahead of",
           absl::AbsDuration(skew) > kMaxSkew ? ", and requests are signed by its" : ""));
}

void S3Doctor::CheckVersioning() {
  const absl::StatusOr<HttpResponse> answer = probe_.Call(GetVersioningRequest(), "versioning");
  if (!answer.ok()) {
    return Tell(State::kSkipped, "versioning",
                absl::StrCat("not told: ", answer.status().message()));
  }
  const absl::StatusOr<BucketVersioning> versioning = ParseVersioning(answer->body);
  if (!versioning.ok()) return TellFailure("versioning", versioning.status());
  if (*versioning != BucketVersioning::kEnabled) {
    return Tell(State::kOk, "versioning", "off: what retention removes is gone");
  }
  Tell(State::kNote, "versioning",
       "on: what retention removes stays as an older version, and is billed, until a lifecycle "
       "rule of the bucket removes it");
}

bool S3Doctor::CheckObjectLock() {
  const absl::StatusOr<HttpResponse> answer = probe_.Call(GetObjectLockRequest(), "object lock");
  const absl::StatusOr<BucketLock> lock =
      answer.ok() ? ParseObjectLock(answer->body) : answer.status();
  if (!lock.ok() || !lock->enabled) {
    const bool asked = !options_.object.lock_mode.empty();
    Tell(asked ? State::kFailed : State::kOk, "object lock",
         asked ? "off: a bucket gets it when it is made; leave --object-lock-mode out, or take "
                 "another bucket"
               : "off");
    return true;
  }
  if (lock->default_retention.empty()) {
    Tell(State::kOk, "object lock", "on, without a default retention");
    return true;
  }
  Tell(State::kNote, "object lock",
       absl::StrCat("on: objects cannot be removed before ", lock->default_retention,
                    " are over, and retention leaves them until then"));
  Tell(State::kSkipped, "put", "the bucket would keep the probe for as long");
  return false;
}

bool S3Doctor::CheckPut() {
  const std::string key = probe_.KeyOf("object");
  const std::string small = bytes_.substr(0, kSmallBytes);
  const absl::StatusOr<HttpResponse> put = probe_.Put(key, AsBytes(small));
  if (!put.ok()) {
    TellFailure("put", put.status());
    return false;
  }
  const std::string_view encryption = EncryptionOf(*put);
  Tell(State::kOk, "put",
       absl::StrCat(
           "objects can be written",
           encryption.empty() ? "" : absl::StrCat(", encrypted with ", ToAbsl(encryption))));
  if (options_.object.encryption != S3Encryption::kDefault && encryption.empty()) {
    Tell(State::kFailed, "encryption",
         "the server does not confirm the encryption asked for: backups would be refused");
  }
  const absl::StatusOr<std::string> got = probe_.Get(key, kSmallBytes);
  if (!got.ok()) {
    TellFailure("get", got.status());
  } else if (*got != small) {
    Tell(State::kFailed, "get", "the object read back is not the one written");
  } else {
    Tell(State::kOk, "get", "objects can be read");
  }
  return true;
}

void S3Doctor::CheckConditionalPut() {
  const std::string small = bytes_.substr(0, kSmallBytes);
  const absl::StatusOr<HttpResponse> again =
      probe_.Put(probe_.KeyOf("object"), AsBytes(small), {{"If-None-Match", "*"}});
  const bool honoured = !again.ok() && IsConditionFailed(again.status());
  if (honoured && provider_.conditional_puts) {
    return Tell(
        State::kOk, "conditional put",
        "honoured, and used: no object is ever replaced, and two runs cannot hold one lock");
  }
  if (honoured) {
    return Tell(State::kNote, "conditional put",
                "honoured, but not used, as this provider is not known to: --provider names one "
                "that is, such as ceph or minio");
  }
  if (probe_.cancelled()) return;
  Tell(provider_.conditional_puts ? State::kWarning : State::kNote, "conditional put",
       again.ok() ? "ignored by the server: locks between two runs are best effort"
                  : absl::StrCat("not offered (", S3CodeOf(again.status()),
                                 "): locks between two runs are best effort"));
}

void S3Doctor::CheckChecksum() {
  const S3ChecksumOf crc(S3Checksum::kCrc64Nvme, provider_);
  const std::string small = bytes_.substr(0, kSmallBytes);
  const std::string text = crc.Text(crc.Of(AsBytes(small)));
  const std::string header(crc.header());
  const std::string key = probe_.KeyOf("checksum");
  const absl::StatusOr<HttpResponse> put = probe_.Put(key, AsBytes(small), {{header, text}});
  if (probe_.cancelled()) return;
  if (!put.ok()) {
    return Tell(provider_.checksums ? State::kWarning : State::kNote, "checksums",
                absl::StrCat("refused (", S3CodeOf(put.status()), "): MD5 proves the objects",
                             provider_.checksums ? "; give --checksum none" : ""));
  }
  const absl::StatusOr<HttpResponse> head = probe_.Head(key, {{"x-amz-checksum-mode", "ENABLED"}});
  if (!head.ok()) return TellFailure("checksums", head.status());
  if (head->Header(header) != text) {
    return Tell(State::kOk, "checksums",
                "the server keeps no CRC of objects: size, ETag and Content-MD5 prove them");
  }
  const S3ChecksumOf used(options_.object.checksum, provider_);
  Tell(used.enabled() ? State::kOk : State::kNote, "checksums",
       used.enabled() ? absl::StrCat("kept, and ", ToAbsl(used.algorithm()), " is used")
                      : "kept, but not used: --checksum crc64nvme does");
}

void S3Doctor::CheckTransfer() {
  if (probe_bytes_ == 0) {
    return Tell(State::kSkipped, "multipart", "no bytes to send (--probe-size 0)");
  }
  const std::string key = probe_.KeyOf("upload");
  const int count = static_cast<int>(std::max<uint64_t>(1, probe_bytes_ / kPartBytes));
  const uint64_t total = static_cast<uint64_t>(count) * kPartBytes;
  const absl::StatusOr<std::string> upload_id = probe_.BeginUpload(key);
  if (!upload_id.ok()) return TellFailure("multipart", upload_id.status());
  const absl::Time begin = absl::Now();
  const auto parts = probe_.SendParts(key, *upload_id, AsBytes(bytes_), count);
  if (!parts.ok()) return TellFailure("multipart", parts.status());
  const absl::Duration sent = absl::Now() - begin;
  if (absl::Status status = probe_.Complete(key, *upload_id, *parts); !status.ok()) {
    return TellFailure("multipart", status);
  }
  const absl::StatusOr<HttpResponse> head = probe_.Head(key);
  if (!head.ok()) return TellFailure("multipart", head.status());
  S3Expectation expected;
  expected.bytes = total;
  PartRecord record;
  record.digest.md5 = Md5Of(AsBytes(bytes_));
  expected.etag = MultipartEtag(std::vector<PartRecord>(static_cast<size_t>(count), record));
  const S3Proof proof = ProveByHead(*head, expected);
  if (!proof.same) return Tell(State::kFailed, "multipart", proof.difference);
  Tell(State::kOk, "multipart",
       absl::StrCat("uploads can be begun and ended; proven by ", proof.facts.front().second));
  const absl::Time read_begin = absl::Now();
  const absl::Status read = probe_.ReadBack(key, AsBytes(bytes_), count);
  const absl::Duration read_time = absl::Now() - read_begin;
  if (!read.ok()) TellFailure("get", read);
  Tell(State::kOk, "throughput",
       absl::StrCat(Rate(total, sent), " up",
                    read.ok() ? absl::StrCat(", ", Rate(total, read_time), " down") : "", " with ",
                    std::min(count, options_.connections), " of ", options_.connections,
                    " connections, ", total / kMiB, " MiB",
                    options_.upload_limit != nullptr ? ", within --limit-upload" : ""));
}

void S3Doctor::CheckAbort() {
  const std::string key = probe_.KeyOf("abort");
  const absl::StatusOr<std::string> upload_id = probe_.BeginUpload(key);
  if (!upload_id.ok()) return TellFailure("abort", upload_id.status());
  const std::string small = bytes_.substr(0, kSmallBytes);
  const auto parts = probe_.SendParts(key, *upload_id, AsBytes(small), 1);
  if (!parts.ok()) return TellFailure("abort", parts.status());
  const absl::StatusOr<HttpResponse> aborted =
      probe_.Call(AbortUploadRequest(key, *upload_id), "abort of an upload");
  if (!aborted.ok()) return TellFailure("abort", aborted.status());
  const absl::StatusOr<HttpResponse> listed =
      probe_.Call(ListUploadsRequest(probe_.base(), "", ""), "list of unfinished uploads");
  if (!listed.ok()) return TellFailure("abort", listed.status());
  const absl::StatusOr<UploadPage> page = ParseUploadPage(listed->body);
  if (!page.ok()) return TellFailure("abort", page.status());
  if (!page->uploads.empty()) {
    return Tell(State::kWarning, "abort", "an aborted upload is still listed");
  }
  Tell(State::kOk, "abort", "uploads can be aborted and listed");
}

void S3Doctor::CheckRemoval() {
  if (probe_.cancelled()) return;
  if (absl::Status status = probe_.RemoveObjects(); !status.ok()) {
    return TellFailure("delete", status);
  }
  Tell(State::kOk, "delete", "objects can be removed, many at once");
}

}  // namespace volstream
