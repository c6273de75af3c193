#include "stages/part_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "stages/digest.h"

namespace volstream {
namespace {

class StreamHasherTest : public testing::Test {
 protected:
  StreamHasherTest() : bytes_(300'000) {
    std::generate(bytes_.begin(), bytes_.end(), [this] { return static_cast<uint8_t>(random_()); });
  }

  // Shows the stream in blocks of random lengths, then asks for the parts, the full ones backwards.
  void ExpectRight(const PartSizes& sizes, size_t bytes, bool stream_md5) {
    const ByteSpan stream = ByteSpan(bytes_).first(bytes);
    StreamHasher hasher(sizes, stream_md5);
    for (size_t at = 0; at < bytes;) {
      const size_t count = std::min<size_t>(bytes - at, random_() % 20'000);
      ASSERT_TRUE(hasher.OnBlock({}, stream.subspan(at, count)).ok());
      at += count;
    }
    std::vector<PartBytes> parts;
    for (uint64_t i = 0; i == 0 || sizes.OffsetOf(i) < bytes; ++i) {
      const size_t begin = sizes.OffsetOf(i);
      parts.push_back({i, stream.subspan(begin, std::min(bytes - begin, sizes.At(i)))});
    }
    std::reverse(parts.begin(), parts.end() - 1);
    for (const PartBytes& part : parts) {
      PartDigest digest;
      hasher.Hash({&part, 1}, false, {&digest, 1});
      ASSERT_EQ(ToHex(digest.md5), ToHex(Md5Of(part.bytes))) << "part " << part.index;
    }
    EXPECT_EQ(hasher.Finish().md5, stream_md5 ? ToHex(Md5Of(stream)) : "");
  }

  std::mt19937_64 random_{20};
  std::vector<uint8_t> bytes_;
};

TEST_F(StreamHasherTest, KnowsEveryPartOfAStreamThatItObserved) {
  for (const bool stream_md5 : {true, false}) {
    ExpectRight(EqualParts(64 * 500), 300'000, stream_md5);
    ExpectRight(EqualParts(64 * 500), 64 * 1500, stream_md5);
    ExpectRight(EqualParts(500'000), 300'000, stream_md5);
    ExpectRight(EqualParts(64), 10'000, stream_md5);
  }
}

TEST_F(StreamHasherTest, KnowsPartsThatGrow) {
  ExpectRight(PartSizes{6400, 640, 3, 64'000}, 300'000, true);
  ExpectRight(PartSizes{6400, 640, 3, 64'000}, 300'000, false);
}

TEST_F(StreamHasherTest, KnowsPartsThatBeginInsideABlockOfMd5) {
  ExpectRight(EqualParts(1001), 300'000, true);
  ExpectRight(PartSizes{999, 17, 2, 20'000}, 299'999, true);
}

TEST_F(StreamHasherTest, KnowsTheOnePartOfAnEmptyStream) {
  ExpectRight(EqualParts(6400), 0, true);
  ExpectRight(EqualParts(6400), 0, false);
}

TEST_F(StreamHasherTest, AddsSha256WhereItIsWanted) {
  for (const bool stream_md5 : {true, false}) {
    StreamHasher hasher(EqualParts(6400), stream_md5);
    ASSERT_TRUE(hasher.OnBlock({}, ByteSpan(bytes_).first(10'000)).ok());
    const std::vector<PartBytes> parts = {{0, ByteSpan(bytes_).first(6400)},
                                          {1, ByteSpan(bytes_).subspan(6400, 3600)}};
    std::vector<PartDigest> digests(2);
    hasher.Hash(parts, true, digests);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(digests[i].md5, Md5Of(parts[i].bytes));
      EXPECT_EQ(digests[i].sha256, Sha256Of(parts[i].bytes));
    }
  }
}

TEST_F(StreamHasherTest, WantsSeveralPartsAtOnceOnlyWhereTheyAreNotObserved) {
  EXPECT_EQ(StreamHasher(EqualParts(6400), true).BatchParts(), 1u);
  EXPECT_EQ(StreamHasher(EqualParts(6400), false).BatchParts(), Md5PartHasher().BatchParts());
}

TEST_F(StreamHasherTest, HasTheXxh3OfTheStreamEitherWay) {
  // `printf abc | xxhsum -H3`
  for (const bool stream_md5 : {true, false}) {
    StreamHasher hasher(EqualParts(6400), stream_md5);
    ASSERT_TRUE(hasher.OnBlock({}, AsBytes("a")).ok());
    ASSERT_TRUE(hasher.OnBlock({}, AsBytes("bc")).ok());
    EXPECT_EQ(hasher.Finish().xxh3, "78af5f94892f3950");
  }
}

}  // namespace
}  // namespace volstream
