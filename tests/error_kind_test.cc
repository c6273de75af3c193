// ErrorKind: the exit code that rides on a Status.
#include "stages/error_kind.h"

#include <gtest/gtest.h>

#include "engine/status_macros.h"

namespace volstream {
namespace {

constexpr ErrorKind kAllKinds[] = {
    ErrorKind::kGeneral,   ErrorKind::kPrerequisite, ErrorKind::kVolumeNotFound, ErrorKind::kS3,
    ErrorKind::kIntegrity, ErrorKind::kPartial,      ErrorKind::kInterrupted};

TEST(ErrorKind, ValuesAreTheExitCodes) {
  EXPECT_EQ(static_cast<int>(ErrorKind::kGeneral), 1);
  EXPECT_EQ(static_cast<int>(ErrorKind::kPrerequisite), 2);
  EXPECT_EQ(static_cast<int>(ErrorKind::kVolumeNotFound), 3);
  EXPECT_EQ(static_cast<int>(ErrorKind::kS3), 4);
  EXPECT_EQ(static_cast<int>(ErrorKind::kIntegrity), 5);
  EXPECT_EQ(static_cast<int>(ErrorKind::kPartial), 6);
  EXPECT_EQ(static_cast<int>(ErrorKind::kInterrupted), 130);
}

TEST(ErrorKind, MakeErrorKeepsCodeMessageAndKind) {
  for (const ErrorKind kind : kAllKinds) {
    const absl::Status status = MakeError(kind, absl::StatusCode::kAborted, "what: remedy");
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    EXPECT_EQ(status.message(), "what: remedy");
    EXPECT_EQ(KindOf(status), kind);
  }
}

TEST(ErrorKind, OfAPlainErrorIsGeneral) {
  EXPECT_EQ(KindOf(absl::UnavailableError("x")), ErrorKind::kGeneral);
  EXPECT_EQ(KindOf(absl::NotFoundError("x")), ErrorKind::kGeneral);
}

TEST(ErrorKind, OfPlainDataLossIsIntegrity) {
  EXPECT_EQ(KindOf(absl::DataLossError("x")), ErrorKind::kIntegrity);
}

TEST(ErrorKind, OfPlainCancellationIsInterrupted) {
  EXPECT_EQ(KindOf(absl::CancelledError("x")), ErrorKind::kInterrupted);
}

TEST(ErrorKind, ThatWasSetCountsMoreThanTheCode) {
  EXPECT_EQ(KindOf(MakeError(ErrorKind::kS3, absl::StatusCode::kDataLoss, "x")), ErrorKind::kS3);
  EXPECT_EQ(KindOf(MakeError(ErrorKind::kGeneral, absl::StatusCode::kCancelled, "x")),
            ErrorKind::kGeneral);
}

TEST(ErrorKind, WithKindSetsItOnce) {
  absl::Status status = WithKind(absl::UnknownError("x"), ErrorKind::kS3);
  status = WithKind(status, ErrorKind::kPartial);
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

TEST(ErrorKind, WithKindLeavesOkAlone) {
  EXPECT_TRUE(WithKind(absl::OkStatus(), ErrorKind::kS3).ok());
}

TEST(ErrorKind, SurvivesAddedContext) {
  const absl::Status status =
      WithContext(MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, "HTTP 503"), "part 17");
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_EQ(status.message(), "part 17: HTTP 503");
}

}  // namespace
}  // namespace volstream
