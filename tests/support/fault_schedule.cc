#include "tests/support/fault_schedule.h"

#include <cstdio>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace volstream {
namespace {

constexpr std::string_view kRunPrefix = "run-";
constexpr size_t kRunBytes = 7;
// Of 100 tries.
constexpr int kFaultyPercent = 40;

std::mt19937_64 RandomFor(uint64_t seed, const std::string& what, int attempt) {
  std::vector<uint32_t> words = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                                 static_cast<uint32_t>(attempt)};
  for (const char c : what) words.push_back(static_cast<unsigned char>(c));
  std::seed_seq sequence(words.begin(), words.end());
  return std::mt19937_64(sequence);
}

// std's distributions differ from library to library; these need no better one.
int Below(std::mt19937_64& random, size_t bound) { return static_cast<int>(random() % bound); }

// The kinds that this request can meet with, those that cost a second more rarely.
std::vector<FaultKind> KindsFor(const ProxiedRequest& request) {
  using enum FaultKind;
  std::vector<FaultKind> kinds = {kSwallow, kSwallowAnswer, kTooMany};
  std::vector<FaultKind> quick = {kResetAtHead,     kCloseAtHead, kResetAfterRequest, kSlowDown,
                                  kInternalError,   kBadGateway,  kRequestTimeout,    kNotHttp,
                                  kLoseAnswer,      kCutHead,     kCutBody,           kSlowAnswer,
                                  kCloseAfterAnswer};
  const S3Operation operation = request.operation;
  if (request.body_bytes > 0) {
    kinds.push_back(kStallInBody);
    quick.insert(quick.end(), {kResetInBody, kDamageBody});
  }
  const bool has_etag = operation == S3Operation::kUploadPart ||
                        operation == S3Operation::kPutObject ||
                        operation == S3Operation::kHeadObject;
  if (has_etag) quick.push_back(kWrongEtag);
  // A second begin makes a second upload that nobody has heard of; no proxy may repeat a POST.
  if (operation != S3Operation::kCreateMultipartUpload) quick.push_back(kTwice);
  if (operation == S3Operation::kCompleteMultipartUpload) quick.push_back(kErrorIn200);
  // What answers for another server to the cleaning up too, cannot be cleaned up after.
  const bool cleanup =
      operation == S3Operation::kAbortMultipartUpload || operation == S3Operation::kDeleteObject ||
      operation == S3Operation::kListParts || operation == S3Operation::kListMultipartUploads;
  if (!cleanup) quick.push_back(kForeign);
  for (int weight = 0; weight < 3; ++weight) kinds.insert(kinds.end(), quick.begin(), quick.end());
  return kinds;
}

std::string RunOf(const ProxiedRequest& request) {
  const std::string& name = request.key.empty() ? request.prefix : request.key;
  return name.starts_with(kRunPrefix) ? name.substr(0, kRunBytes) : "";
}

}  // namespace

FaultSchedule::FaultSchedule(uint64_t seed, std::function<void(const std::string&)> on_cancel)
    : seed_(seed), on_cancel_(std::move(on_cancel)) {}

std::string FaultSchedule::RunName(int run) {
  char name[32];
  std::snprintf(name, sizeof(name), "run-%03d", run);
  return name;
}

FaultSchedule::Fate FaultSchedule::FateOf(const std::string& run) const {
  std::mt19937_64 random = RandomFor(seed_, run, 0);
  Fate fate;
  const int draw = Below(random, 100);
  if (draw < 20) {
    constexpr S3Operation kOperations[] = {
        S3Operation::kCreateMultipartUpload, S3Operation::kUploadPart,
        S3Operation::kCompleteMultipartUpload, S3Operation::kPutObject, S3Operation::kHeadObject};
    constexpr FaultKind kKinds[] = {
        FaultKind::kResetAtHead,   FaultKind::kResetAfterRequest, FaultKind::kSlowDown,
        FaultKind::kInternalError, FaultKind::kSwallow,           FaultKind::kForeign,
        FaultKind::kLoseAnswer,    FaultKind::kSwallowAnswer,     FaultKind::kCutHead,
        FaultKind::kDamageBody,    FaultKind::kWrongEtag};
    fate.fails_for_good = true;
    fate.operation = kOperations[Below(random, std::size(kOperations))];
    fate.kind = kKinds[Below(random, std::size(kKinds))];
    // The first HEAD asks whether the name is free; the later ones are those behind the upload.
    fate.from_attempt = fate.operation == S3Operation::kHeadObject ? 3 : Below(random, 2);
  } else if (draw < 35) {
    fate.cancel_at = 2 + Below(random, 12);
  }
  return fate;
}

std::optional<FaultKind> FaultSchedule::Next(const ProxiedRequest& request) {
  const std::string run = RunOf(request);
  if (run.empty()) return std::nullopt;
  const Fate fate = FateOf(run);
  std::string what(S3OperationName(request.operation));
  what += " " + run + " " + std::to_string(request.part_number);
  if (request.key.ends_with(".json")) what += " receipt";
  int attempt = 0;
  int requests = 0;
  {
    MutexLock lock(&mu_);
    attempt = attempts_[what]++;
    requests = ++requests_[run];
  }
  if (requests == fate.cancel_at && on_cancel_) on_cancel_(run);
  if (fate.fails_for_good && request.operation == fate.operation && attempt >= fate.from_attempt) {
    return fate.kind;
  }
  if (attempt % 3 == 2) return std::nullopt;
  std::mt19937_64 random = RandomFor(seed_, what, attempt);
  if (Below(random, 100) >= kFaultyPercent) return std::nullopt;
  const std::vector<FaultKind> kinds = KindsFor(request);
  return kinds[static_cast<size_t>(Below(random, kinds.size()))];
}

}  // namespace volstream
