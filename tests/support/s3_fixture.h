// S3Fixture: an S3Client over the in-memory FakeTransport, and parts to upload. The bucket is
// "bucket", the endpoint http://fake, the clock stands still.
#ifndef VOLSTREAM_TESTS_SUPPORT_S3_FIXTURE_H_
#define VOLSTREAM_TESTS_SUPPORT_S3_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/buffer_pool.h"
#include "engine/message.h"
#include "stages/s3_client.h"
#include "stages/s3_config.h"
#include "tests/support/fake_transport.h"

namespace volstream {

class S3Fixture : public ::testing::Test {
 protected:
  static constexpr size_t kPartBytes = 5 * kMiB;
  static constexpr char kSecret[] = "a-secret-that-must-not-be-seen";

  S3Fixture();

  // A client of another endpoint or token, over the same transport.
  std::unique_ptr<S3Client> NewClient(const S3Options& options);
  static S3Options Options();
  // Part `index` of a stream, added to the summary.
  std::shared_ptr<const Part> MakePart(uint64_t index, std::string_view text,
                                       StreamSummary* summary);

  FakeTransport transport_;
  absl::Time now_ = absl::FromUnixSeconds(1'750'000'000);
  std::unique_ptr<S3Client> client_;
  BufferPool pool_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_S3_FIXTURE_H_
