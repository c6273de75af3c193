// IsalDeflate: what it makes is deflate that others read, whatever it compressed before and however
// little room it has.
#include "stages/isal_deflate.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "stages/digest.h"
#include "tests/support/block_codec.h"
#include "tests/support/raw_deflate.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class IsalDeflateLevels : public ::testing::TestWithParam<std::tuple<int, size_t>> {
 protected:
  IsalDeflate Make() const { return IsalDeflate(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};

TEST_P(IsalDeflateLevels, GivesBackAllSizes) {
  IsalDeflate deflate = Make();
  for (const size_t bytes : {0, 1, 2, 100, 32767, 65536, 1'000'003}) {
    for (const std::string& in : {LogText(bytes), std::string(bytes, 'x'), RandomBytes(9, bytes)}) {
      const std::string out = DeflateInto(&deflate, in, in.size() + in.size() / 100 + 100);
      ASSERT_FALSE(out.empty()) << bytes;
      EXPECT_EQ(InflateProblem(AsBytes(out), AsBytes(in)), "") << bytes;
    }
  }
}

TEST_P(IsalDeflateLevels, SameBytesGiveTheSameWhateverCameBefore) {
  IsalDeflate first = Make();
  IsalDeflate second = Make();
  const std::string in = LogText(300'000);
  const std::string wanted = DeflateInto(&first, in, in.size());
  for (const std::string& before :
       {RandomBytes(3, 500'000), LogText(700'001), std::string(90'000, '\0')}) {
    DeflateInto(&second, before, before.size() + 100'000);
    EXPECT_TRUE(DeflateInto(&second, in, in.size()) == wanted);
  }
}

// Into buffers of exactly the room, so that ASan sees what the C code writes too far; the last byte
// shows the rest.
TEST_P(IsalDeflateLevels, WritesNothingBehindTheRoomItHas) {
  IsalDeflate deflate = Make();
  for (const std::string& in : {LogText(200'000), RandomBytes(4, 200'000)}) {
    const size_t whole = DeflateInto(&deflate, in, in.size() + 10'000).size();
    for (const size_t missing : {size_t{1}, size_t{2}, size_t{7}, size_t{8}, size_t{9}, size_t{64},
                                 whole / 2, whole - 1, whole}) {
      std::string out(whole + 64, '\x5a');
      const size_t room = whole - missing;
      EXPECT_EQ(deflate.Compress(AsBytes(in),
                                 MutableByteSpan(reinterpret_cast<uint8_t*>(out.data()), room)),
                0u)
          << missing;
      EXPECT_EQ(out.substr(room), std::string(out.size() - room, '\x5a')) << missing;
    }
    // It wants a word of room to spare.
    EXPECT_EQ(DeflateInto(&deflate, in, whole + 16).size(), whole);
  }
}

INSTANTIATE_TEST_SUITE_P(All, IsalDeflateLevels,
                         ::testing::Combine(::testing::Values(1, 2, 3),
                                            ::testing::Values(size_t{1024}, size_t{4096},
                                                              size_t{65536})));

TEST(IsalDeflate, Crc32IsThatOfTheStandardsExample) {
  EXPECT_EQ(Crc32(AsBytes(std::string("123456789"))), 0xcbf43926u);
  EXPECT_EQ(Crc32({}), 0u);
}

}  // namespace
}  // namespace volstream
