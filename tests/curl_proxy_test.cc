#include "stages/curl_proxy.h"

#include <gtest/gtest.h>

namespace volstream {
namespace {

TEST(CurlProxy, TakesUserAndPasswordOutOfWhatLibcurlSays) {
  EXPECT_EQ(WithoutUserInfo("Unsupported proxy scheme for 'ftp://user:secret@host:9'"),
            "Unsupported proxy scheme for 'ftp://host:9'");
  EXPECT_EQ(WithoutUserInfo("Unsupported proxy syntax in 'user:secret@host:x': bad port"),
            "Unsupported proxy syntax in 'host:x': bad port");
}

TEST(CurlProxy, TakesAPasswordThatHoldsAnAtSignOutWhole) {
  EXPECT_EQ(WithoutUserInfo("proxy 'http://user:se@cr@et@host:9'"), "proxy 'http://host:9'");
}

TEST(CurlProxy, LeavesTextWithoutAUserAlone) {
  EXPECT_EQ(WithoutUserInfo("Failed to connect to http://host"),
            "Failed to connect to http://host");
}

}  // namespace
}  // namespace volstream
