#include "stages/error_kind.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace volstream {
namespace {

constexpr char kPayloadUrl[] = "volstream/error_kind";

}  // namespace

absl::Status MakeError(ErrorKind kind, absl::StatusCode code, std::string_view message) {
  return WithKind(absl::Status(code, absl::string_view(message.data(), message.size())), kind);
}

absl::Status InterruptedError() {
  return MakeError(ErrorKind::kInterrupted, absl::StatusCode::kCancelled, "interrupted");
}

absl::Status WithKind(absl::Status status, ErrorKind kind) {
  if (status.ok() || status.GetPayload(kPayloadUrl).has_value()) return status;
  status.SetPayload(kPayloadUrl, absl::Cord(std::to_string(static_cast<int>(kind))));
  return status;
}

ErrorKind KindOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  int value = 0;
  if (payload.has_value() && absl::SimpleAtoi(std::string(*payload), &value)) {
    return static_cast<ErrorKind>(value);
  }
  if (status.code() == absl::StatusCode::kDataLoss) return ErrorKind::kIntegrity;
  if (status.code() == absl::StatusCode::kCancelled) return ErrorKind::kInterrupted;
  return ErrorKind::kGeneral;
}

}  // namespace volstream
