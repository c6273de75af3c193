// `volstream bench --to s3://...` against a real S3 server: what it measures, and what it leaves.
#include <gtest/gtest.h>

#include <string>

#include "engine/bytes.h"
#include "tests/support/cli.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class BenchS3 : public ::testing::Test {
 protected:
  BenchS3() { WriteFile(source_, RandomBytes(1, 2 * kMiB)); }

  TempDir directory_;
  const std::string source_ = directory_ / "file";
  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
};

TEST_F(BenchS3, MeasuresTheUploadAndLeavesNothing) {
  const CommandResult result = rgw_.Volstream({"bench", directory_.path(), "--to",
                                               "s3://" + bucket_ + "/p/", "--seconds", "5"})
                                   .Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("upload"), std::string::npos) << result;
  EXPECT_NE(result.out.find("recommended: "), std::string::npos) << result;
  EXPECT_TRUE(rgw_.Keys(bucket_).empty());
  EXPECT_TRUE(rgw_.OpenUploads(bucket_).empty());
}

TEST_F(BenchS3, SaysWhatIsWrongWithTheBucket) {
  const CommandResult result =
      rgw_.Volstream({"bench", directory_.path(), "--to", "s3://no-such-bucket-here/"}).Run();
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_NE(result.err.find("no-such-bucket-here"), std::string::npos) << result;
}

}  // namespace
}  // namespace volstream
