// GlobComponent and GlobMatches. The rules of one component are fnmatch's and are tested with
// ExcludeList, pattern by pattern; here is what lies around them.
#include "stages/path_glob.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace volstream {
namespace {

using Flaw = GlobComponent::Flaw;
using Kind = GlobComponent::Kind;

TEST(GlobComponent, WithoutSpecialCharactersIsLiteral) {
  EXPECT_EQ(GlobComponent("a b").kind(), Kind::kLiteral);
  EXPECT_EQ(GlobComponent("a]").kind(), Kind::kLiteral);
  EXPECT_EQ(GlobComponent("\\*\\?\\[\\\\").kind(), Kind::kLiteral);
  EXPECT_EQ(GlobComponent("\\*\\?\\[\\\\").text(), "*?[\\");
  EXPECT_TRUE(GlobComponent("\\*").Matches("*"));
  EXPECT_FALSE(GlobComponent("\\*").Matches("a"));
}

TEST(GlobComponent, TellsGlobsAndAnyDepth) {
  for (const char* glob : {"*", "a?", "[a]", "\\\\*", "a**", "***"}) {
    EXPECT_EQ(GlobComponent(glob).kind(), Kind::kGlob) << glob;
    EXPECT_EQ(GlobComponent(glob).text(), glob);
  }
  EXPECT_EQ(GlobComponent("**").kind(), Kind::kAnyDepth);
}

TEST(GlobComponent, KnowsBracketsThatAreClosed) {
  for (const char* glob : {"[a]", "[]]", "[!]]", "[^]a]", "[[]", "[\\]]", "[[:alpha:]]", "[[:x]",
                           "[a-z]*[0-9]", "[[.].]]", "\\[[a]"}) {
    EXPECT_EQ(GlobComponent(glob).flaw(), Flaw::kNone) << glob;
    EXPECT_EQ(GlobComponent(glob).flaw_text(), "") << glob;
  }
  for (const char* glob : {"[", "[a", "[]", "[!]", "[a\\]", "[[:alpha:]", "[a]["}) {
    EXPECT_EQ(GlobComponent(glob).flaw(), Flaw::kOpenBracket) << glob;
    EXPECT_NE(GlobComponent(glob).flaw_text(), "") << glob;
  }
}

TEST(GlobComponent, KnowsAQuoteOfNothing) {
  for (const char* glob : {"\\", "a\\", "*\\", "a\\\\\\", "[\\"}) {
    EXPECT_EQ(GlobComponent(glob).flaw(), Flaw::kOpenQuote) << glob;
    EXPECT_FALSE(GlobComponent(glob).Matches("a")) << glob;
  }
  EXPECT_EQ(GlobComponent("a\\\\").flaw(), Flaw::kNone);
}

TEST(GlobComponent, ComparesBytes) {
  EXPECT_TRUE(GlobComponent("??").Matches("\xc3\xbc"));
  EXPECT_FALSE(GlobComponent("?").Matches("\xc3\xbc"));
  EXPECT_TRUE(GlobComponent("a*").Matches("a\xff"));
}

TEST(GlobComponent, TakesANameWithItsNul) {
  EXPECT_FALSE(GlobComponent("a").Matches(std::string_view("a\0b", 3)));
  EXPECT_FALSE(GlobComponent("[a]").Matches(std::string_view("a\0b", 3)));
}

TEST(GlobMatches, GivesUpOnManyDepthsInTime) {
  // Recursion would look at about 60 over 12 ways.
  std::vector<GlobComponent> pattern;
  for (int i = 0; i < 12; ++i) {
    pattern.emplace_back("**");
    pattern.emplace_back("a");
  }
  pattern.emplace_back("b");
  std::vector<std::string_view> path(60, "a");
  EXPECT_FALSE(GlobMatches(pattern, path));
  path.push_back("b");
  EXPECT_TRUE(GlobMatches(pattern, path));
}

TEST(GlobMatches, AnyDepthTakesMoreWhereWhatFollowsAsksForIt) {
  const std::vector<GlobComponent> pattern = {GlobComponent("**"), GlobComponent("a"),
                                              GlobComponent("b"), GlobComponent("**"),
                                              GlobComponent("c")};
  const std::vector<std::string_view> twice = {"a", "a", "b", "c", "x", "c"};
  EXPECT_TRUE(GlobMatches(pattern, twice));
  const std::vector<std::string_view> without = {"a", "x", "b", "c"};
  EXPECT_FALSE(GlobMatches(pattern, without));
}

TEST(GlobMatches, NothingMatchesNothing) {
  EXPECT_TRUE(GlobMatches({}, {}));
  const std::vector<std::string_view> path = {"a"};
  EXPECT_FALSE(GlobMatches({}, path));
  const std::vector<GlobComponent> pattern = {GlobComponent("**")};
  EXPECT_TRUE(GlobMatches(pattern, {}));
}

}  // namespace
}  // namespace volstream
