#include "engine/first_error.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace volstream {
namespace {

TEST(FirstError, BeginsWithoutAnError) {
  FirstError error(nullptr);
  EXPECT_FALSE(error.failed());
  EXPECT_TRUE(error.status().ok());
}

TEST(FirstError, KeepsTheFirst) {
  FirstError error(nullptr);
  EXPECT_TRUE(error.Set(absl::UnavailableError("first")));
  EXPECT_FALSE(error.Set(absl::InternalError("second")));
  EXPECT_EQ(error.status().message(), "first");
}

TEST(FirstError, IgnoresOk) {
  FirstError error(nullptr);
  EXPECT_FALSE(error.Set(absl::OkStatus()));
  EXPECT_FALSE(error.failed());
}

TEST(FirstError, TellsOnceWhenManyThreadsFail) {
  std::atomic<int> told = 0;
  std::atomic<int> won = 0;
  FirstError error([&told] { ++told; });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&error, &won, i] {
      if (error.Set(absl::InternalError(absl::StrCat("error ", i)))) ++won;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(won, 1);
  EXPECT_TRUE(error.failed());
}

}  // namespace
}  // namespace volstream
