#include "stages/md5_pair.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "stages/digest.h"
#include "stages/md5_lanes.h"

namespace volstream {
namespace {

class Md5PairTest : public testing::TestWithParam<Md5Kernel> {
 protected:
  Md5PairTest() : bytes_(100'000) {
    std::generate(bytes_.begin(), bytes_.end(), [this] { return static_cast<uint8_t>(random_()); });
  }

  // Cuts where cut_bytes(piece) says, in updates of up to `most` bytes, and compares with OpenSSL.
  template <typename CutBytes>
  void ExpectRight(size_t most, CutBytes cut_bytes) {
    Md5Pair pair(GetParam());
    size_t begin = 0;
    for (size_t piece = 0; begin < bytes_.size(); ++piece) {
      const size_t end = std::min(bytes_.size(), begin + cut_bytes(piece));
      for (size_t at = begin; at < end;) {
        const size_t count = std::min<size_t>(end - at, random_() % (most + 1));
        pair.Update(ByteSpan(bytes_).subspan(at, count));
        at += count;
      }
      ASSERT_EQ(ToHex(pair.Cut()), ToHex(Md5Of(ByteSpan(bytes_).subspan(begin, end - begin))))
          << "piece " << piece;
      begin = end;
    }
    EXPECT_EQ(ToHex(pair.Finish()), ToHex(Md5Of(bytes_)));
  }

  std::mt19937_64 random_{20};
  std::vector<uint8_t> bytes_;
};

TEST_P(Md5PairTest, AnEmptyStreamHasAnEmptyPiece) {
  Md5Pair pair(GetParam());
  pair.Update({});
  EXPECT_EQ(pair.Cut(), Md5Of({}));
  EXPECT_EQ(pair.Finish(), Md5Of({}));
}

TEST_P(Md5PairTest, PiecesOfWholeBlocksAreRightHoweverUpdatesAreCut) {
  for (const size_t most : {1, 63, 64, 65, 1000, 20'000}) {
    ExpectRight(most, [](size_t piece) { return 64 * (piece + 1); });
    ExpectRight(most, [](size_t) { return 6400; });
  }
}

TEST_P(Md5PairTest, PiecesThatBeginInsideABlockAreRightToo) {
  for (const size_t most : {1, 64, 100, 5000}) {
    ExpectRight(most, [](size_t) { return 1001; });
    ExpectRight(most, [this](size_t) { return 1 + random_() % 5000; });
  }
}

TEST_P(Md5PairTest, ACutWithoutBytesGivesTheDigestOfNothing) {
  Md5Pair pair(GetParam());
  pair.Update(AsBytes("abc"));
  EXPECT_EQ(pair.Cut(), Md5Of(AsBytes("abc")));
  EXPECT_EQ(pair.Cut(), Md5Of({}));
  EXPECT_EQ(pair.Finish(), Md5Of(AsBytes("abc")));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Md5PairTest, testing::ValuesIn(SupportedMd5Kernels()),
                         [](const testing::TestParamInfo<Md5Kernel>& info) {
                           return std::string(Md5KernelName(info.param));
                         });

}  // namespace
}  // namespace volstream
