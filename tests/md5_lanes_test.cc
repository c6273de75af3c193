#include "stages/md5_lanes.h"

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "stages/digest.h"
#include "stages/little_endian.h"
#include "stages/md5_kernel.h"

namespace volstream {
namespace {

// RFC 1321, A.5.
constexpr struct {
  const char* message;
  const char* digest;
} kSuite[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e"},
    {"a", "0cc175b9c0f1b6a831c399e269772661"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
     "d174ab98d277d9f5a5611c2c9f419d9f"},
    {"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
     "0",
     "57edf4a22be3c955ac49da2e2107b67a"},
};

class Md5Lanes : public testing::TestWithParam<Md5Kernel> {
 protected:
  std::vector<Md5Digest> DigestsOf(const std::vector<ByteSpan>& messages) {
    std::vector<Md5Digest> digests(messages.size());
    Md5OfEach(messages, digests, GetParam());
    return digests;
  }
  // Compares with OpenSSL.
  void ExpectRight(const std::vector<ByteSpan>& messages) {
    const std::vector<Md5Digest> digests = DigestsOf(messages);
    for (size_t i = 0; i < messages.size(); ++i) {
      ASSERT_EQ(ToHex(digests[i]), ToHex(Md5Of(messages[i])))
          << "message " << i << " of " << messages.size() << ", " << messages[i].size() << " bytes";
    }
  }

  std::mt19937_64 random_{20};
};

std::vector<uint8_t> RandomBytes(size_t count, std::mt19937_64* random) {
  std::vector<uint8_t> bytes(count);
  std::generate(bytes.begin(), bytes.end(), [random] { return static_cast<uint8_t>((*random)()); });
  return bytes;
}

TEST_P(Md5Lanes, AgreeWithRfc1321) {
  std::vector<ByteSpan> messages;
  for (const auto& test : kSuite) messages.push_back(AsBytes(test.message));
  const std::vector<Md5Digest> digests = DigestsOf(messages);
  for (size_t i = 0; i < messages.size(); ++i) EXPECT_EQ(ToHex(digests[i]), kSuite[i].digest);
}

TEST_P(Md5Lanes, TakeNoMessageAtAll) { EXPECT_TRUE(DigestsOf({}).empty()); }

TEST_P(Md5Lanes, AgreeWithOpenSslOnEveryLengthNearABlock) {
  const std::vector<uint8_t> bytes = RandomBytes(200, &random_);
  std::vector<ByteSpan> messages;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    messages.push_back(ByteSpan(bytes).first(size));
    ExpectRight({messages.back()});
  }
  ExpectRight(messages);
}

TEST_P(Md5Lanes, AgreeWithOpenSslOnEveryNumberOfEqualMessages) {
  const std::vector<uint8_t> bytes = RandomBytes(40 * 1024, &random_);
  for (size_t count = 1; count <= 40; ++count) {
    std::vector<ByteSpan> messages;
    for (size_t i = 0; i < count; ++i) messages.push_back(ByteSpan(bytes).subspan(i * 1024, 1024));
    ExpectRight(messages);
  }
}

TEST_P(Md5Lanes, AgreeWithOpenSslOnRandomLengthsAndAlignments) {
  const std::vector<uint8_t> bytes = RandomBytes(64 * 1024, &random_);
  for (int round = 0; round < 300; ++round) {
    std::vector<ByteSpan> messages(random_() % 24 + 1);
    for (ByteSpan& message : messages) {
      const size_t offset = random_() % bytes.size();
      const size_t most = std::min<size_t>(bytes.size() - offset, size_t{1} << random_() % 14);
      message = ByteSpan(bytes).subspan(offset, random_() % (most + 1));
    }
    ExpectRight(messages);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Md5Lanes, testing::ValuesIn(SupportedMd5Kernels()),
                         [](const testing::TestParamInfo<Md5Kernel>& info) {
                           return std::string(Md5KernelName(info.param));
                         });

// Such a message takes too long: its padding says what the digest would be made of.
TEST(Md5Padding, HasTheLengthInBitsBeyond32OfThem) {
  const std::vector<uint8_t> rest = {1, 2, 3};
  std::vector<uint8_t> end(2 * md5::kBlockBytes, 0xff);
  ASSERT_EQ(md5::Pad(rest.data(), (uint64_t{5} << 32) + 3, end.data()), 1u);
  EXPECT_EQ(GetLittleEndian<uint64_t>(end.data() + 56), (uint64_t{5} << 35) + 24);
  EXPECT_EQ(end[2], 3);
  EXPECT_EQ(end[3], 0x80);
  EXPECT_EQ(end[4], 0);
}

TEST(Md5Kernels, TheDefaultIsASupportedOne) {
  const std::vector<Md5Kernel> kernels = SupportedMd5Kernels();
  EXPECT_NE(std::find(kernels.begin(), kernels.end(), DefaultMd5Kernel()), kernels.end());
}

}  // namespace
}  // namespace volstream
