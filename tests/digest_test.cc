#include "stages/digest.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace volstream {
namespace {

TEST(Digest, Md5AgreesWithRfc1321) {
  EXPECT_EQ(ToHex(Md5Of({})), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(ToHex(Md5Of(AsBytes("message digest"))), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Digest, Sha256AgreesWithFips180) {
  EXPECT_EQ(ToHex(Sha256Of({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(ToHex(Sha256Of(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, HmacAgreesWithRfc4231) {
  EXPECT_EQ(ToHex(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, HmacTakesAnEmptyKeyAndMessage) {
  HmacSha256(AsBytes("another key"), AsBytes("x"));
  EXPECT_EQ(ToHex(HmacSha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Digest, Base64AgreesWithRfc4648) {
  EXPECT_EQ(ToBase64({}), "");
  EXPECT_EQ(ToBase64(AsBytes("f")), "Zg==");
  EXPECT_EQ(ToBase64(AsBytes("fo")), "Zm8=");
  EXPECT_EQ(ToBase64(AsBytes("foobar")), "Zm9vYmFy");
}

TEST(Digest, AStreamEqualsTheOneShot) {
  const std::string text(100'000, 'x');
  Md5Stream stream;
  stream.Update(AsBytes(text).first(7));
  stream.Update({});
  stream.Update(AsBytes(text).subspan(7));
  EXPECT_EQ(stream.Finish(), Md5Of(AsBytes(text)));
}

TEST(Digest, ThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &wrong] {
      const std::string text(static_cast<size_t>(1000 + t), static_cast<char>('a' + t));
      const Md5Digest expected = Md5Of(AsBytes(text));
      for (int i = 0; i < 200; ++i) wrong[t] += Md5Of(AsBytes(text)) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Digest, WipingEmptiesASecret) {
  std::string secret = "secret";
  WipeSecret(secret);
  EXPECT_TRUE(secret.empty());
}

}  // namespace
}  // namespace volstream
