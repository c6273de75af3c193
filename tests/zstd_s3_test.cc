// A .tar.zst on the real S3 server (Ceph RGW): sent in parts, and read there by all commands that
// read archives.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/cli.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class ZstdS3 : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeTree(source_, {.incompressible_bytes = 30 * kMiB});
    const CommandResult result =
        rgw_.Volstream({"backup", source_, "--to", "s3://" + bucket_ + "/p/", "--codec", "zstd",
                        "--part-size", "5MiB"})
            .Run();
    ASSERT_EQ(result.exit_code, 0) << result;
    for (const std::string& key : rgw_.Keys(bucket_)) {
      if (key.ends_with(".tar.zst")) key_ = key;
    }
    ASSERT_NE(key_, "") << result;
  }

  // Runs a command on the archive that must be content.
  CommandResult Read(const std::string& name, const std::vector<std::string>& rest = {}) {
    Command command = rgw_.Volstream({name, "s3://" + bucket_ + "/" + key_});
    for (const std::string& arg : rest) command.Arg(arg);
    const CommandResult result = command.Run();
    EXPECT_EQ(result.exit_code, 0) << name << "\n" << result.err;
    return result;
  }

  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
  TempDir directory_;
  const std::string source_ = directory_ / "source";
  std::string key_;
};

TEST_F(ZstdS3, IsSentInPartsAndProven) {
  const RgwObject object = rgw_.Head(bucket_, key_);
  EXPECT_GE(object.bytes, 30 * kMiB);
  EXPECT_NE(object.etag.find('-'), std::string::npos) << object.etag;
  const CommandResult list = rgw_.Volstream({"list", "s3://" + bucket_ + "/p/"}).Run();
  EXPECT_EQ(list.exit_code, 0) << list;
  EXPECT_NE(list.out.find(".tar.zst"), std::string::npos) << list;
}

TEST_F(ZstdS3, IsRestoredWholeAndInPart) {
  Read("restore", {directory_ / "whole"});
  EXPECT_EQ(DiffTrees(SnapshotTree(source_), SnapshotTree(directory_ / "whole")), "");
  const std::string file = NamesIn(source_).front();
  const CommandResult listed = Read("ls");
  EXPECT_NE(listed.out.find(file), std::string::npos) << listed.out;
  Read("restore", {directory_ / "part", file});
  EXPECT_EQ(NamesIn(directory_ / "part"), std::vector<std::string>{file});
}

TEST_F(ZstdS3, IsVerifiedToItsLastByte) {
  Read("verify", {"--deep"});
  std::string damaged = rgw_.Get(bucket_, key_);
  damaged[damaged.size() / 2] ^= 1;
  rgw_.Put(bucket_, key_, damaged);
  const CommandResult result =
      rgw_.Volstream({"verify", "s3://" + bucket_ + "/" + key_, "--deep"}).Run();
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
}

}  // namespace
}  // namespace volstream
