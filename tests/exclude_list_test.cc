// ExcludeList: every rule of the header, pattern by pattern.
#include "stages/exclude_list.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/support/tree.h"

namespace volstream {
namespace {

// A pattern, and paths that it matches and does not. A '/' at a path's end makes it a directory.
struct MatchCase {
  const char* name;
  const char* pattern;
  std::vector<std::string> matches;
  std::vector<std::string> passes;
};

void PrintTo(const MatchCase& match, std::ostream* out) { *out << match.pattern; }

const MatchCase kCases[] = {
    {"Name", "a", {"a", "b/a", "b/c/a", "a/", "b/a/"}, {"aa", "b", "A", "ab/b"}},
    {"NameIsNotOfAParent", "a", {}, {"a/b", "a/b/c"}},
    {"NameFromTheRoot", "/a", {"a", "a/"}, {"b/a", "a/a", "a/b"}},
    {"NameFromTheRootWithDot", "./a", {"a", "a/"}, {"b/a"}},
    {"ManySlashesInFront", "//a", {"a"}, {"b/a"}},
    {"Path", "a/b", {"a/b", "a/b/"}, {"b", "a", "c/a/b", "a/b/c", "a/c"}},
    {"PathFromTheRoot", "/a/b", {"a/b"}, {"c/a/b", "a/b/c"}},
    {"PathWithDot", "./a/b", {"a/b"}, {"c/a/b"}},
    {"DirectoriesOnly", "a/", {"a/", "b/a/"}, {"a", "b/a"}},
    {"DirectoriesOnlyManySlashes", "a//", {"a/", "b/a/"}, {"a"}},
    {"DirectoriesOnlyFromTheRoot", "/a/", {"a/"}, {"a", "b/a/"}},
    {"DirectoriesOnlyPath", "a/b/", {"a/b/"}, {"a/b", "c/a/b/"}},
    {"Star", "*.log", {"x.log", ".log", "a/y.log", "x.log/"}, {"x.logs", "log", "x.log/a"}},
    {"StarTakesALeadingDot", "*rc", {".bashrc", "rc"}, {"rcs"}},
    {"StarStaysInAComponent", "/a/*", {"a/b", "a/.b"}, {"a", "a/b/c", "b"}},
    {"StarInTheMiddle", "/a/*/c", {"a/b/c"}, {"a/c", "a/b/b/c"}},
    {"StarAloneIsEveryName", "*", {"a", ".b", "a/b"}, {}},
    {"QuestionMark", "a?", {"ab", "a.", "b/ax"}, {"a", "abc", "a/b"}},
    {"QuestionMarkIsNoSlash", "/a?b", {"axb"}, {"a/b"}},
    {"Set", "[a-c]x", {"ax", "cx", "d/bx"}, {"dx", "x", "[a-c]x"}},
    {"SetNegated", "[!a-c]x", {"dx"}, {"ax"}},
    {"SetNotClosed", "[ab", {"[ab"}, {"a", "b"}},
    {"QuotedStar", "\\*", {"*", "a/*"}, {"a", "\\*"}},
    {"QuotedBackslash", "a\\\\b", {"a\\b"}, {"ab"}},
    {"QuotedExclamation", "\\!a", {"!a"}, {"a"}},
    {"QuotedHash", "\\#a", {"#a"}, {"a"}},
    {"ExclamationInside", "a!", {"a!"}, {"a"}},
    {"AnyDepthInFront", "**/a", {"a", "b/a", "b/c/a"}, {"a/b", "ba"}},
    {"AnyDepthFromTheRoot", "/**/a", {"a", "b/c/a"}, {"a/b"}},
    {"AnyDepthAtTheEnd", "a/**", {"a", "a/b", "a/b/c"}, {"b/a", "ab"}},
    {"AnyDepthInside", "a/**/b", {"a/b", "a/x/b", "a/x/y/b"}, {"a", "b", "a/b/c", "x/a/b"}},
    {"AnyDepthTwice", "**/a/**/b", {"a/b", "x/a/y/z/b"}, {"b", "a", "a/b/c"}},
    {"AnyDepthInARow", "a/**/**/b", {"a/b", "a/x/b"}, {"a"}},
    {"AnyDepthDirectoriesOnly", "**/a/", {"a/", "b/a/"}, {"a", "b/a"}},
    {"StarsInsideAComponentAreStars", "a**b", {"ab", "axxb"}, {"a/b"}},
    {"Spaces", "a b ", {"a b "}, {"a b", "a"}},
    {"Newline", "a\nb", {"a\nb"}, {"a"}},
    {"NotUtf8", "\xe9*", {"\xe9", "\xe9\xff"}, {"e"}},
    {"Utf8", "gr\xc3\xbc*", {"gr\xc3\xbcn"}, {"grun"}},
    {"HashInside", "a#b", {"a#b"}, {"a"}},
};

class ExcludeListMatch : public ::testing::TestWithParam<MatchCase> {};

TEST_P(ExcludeListMatch, IsAsTheHeaderSays) {
  ExcludeList list;
  ASSERT_TRUE(list.Add(GetParam().pattern).ok());
  const auto matches = [&list](std::string path) {
    const bool is_directory = path.ends_with('/');
    if (is_directory) path.pop_back();
    return list.Matches(path, is_directory);
  };
  for (const std::string& path : GetParam().matches) EXPECT_TRUE(matches(path)) << path;
  for (const std::string& path : GetParam().passes) EXPECT_FALSE(matches(path)) << path;
}

INSTANTIATE_TEST_SUITE_P(Of, ExcludeListMatch, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

class ExcludeListRefuses : public ::testing::TestWithParam<const char*> {};

TEST_P(ExcludeListRefuses, APatternThatCannotBeMeant) {
  ExcludeList list;
  const absl::Status status = list.Add(GetParam());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  // The message repeats the pattern.
  EXPECT_NE(std::string(status.message()).find(std::string("\"") + GetParam() + "\""),
            std::string::npos)
      << status;
  EXPECT_TRUE(list.empty());
}

INSTANTIATE_TEST_SUITE_P(Of, ExcludeListRefuses,
                         ::testing::Values("", "/", "//", ".", "./", "/.", "**", "**/", "/**",
                                           "./**", "**/**", "/**/**/", "!a", "!", "..", "../a",
                                           "a/..", "a/../b", "a/./b", "a//b", "a\\", "a\\/b",
                                           "a/b\\\\\\"));

TEST(ExcludeList, WithoutPatternsMatchesNothing) {
  const ExcludeList list;
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(list.Matches("a", false));
}

TEST(ExcludeList, MatchesWhatAnyPatternMatches) {
  ExcludeList list;
  for (const char* pattern : {"/a", "b/", "*.c"}) ASSERT_TRUE(list.Add(pattern).ok());
  EXPECT_FALSE(list.empty());
  EXPECT_TRUE(list.Matches("a", false));
  EXPECT_TRUE(list.Matches("x/b", true));
  EXPECT_TRUE(list.Matches("x/y.c", false));
  EXPECT_FALSE(list.Matches("x/a", false));
  EXPECT_FALSE(list.Matches("x/b", false));
}

class ExcludeFile : public ::testing::Test {
 protected:
  absl::Status Add(std::string_view text) {
    WriteFile(path_, text);
    return list_.AddFile(path_);
  }

  TempDir directory_;
  const std::string path_ = directory_ / "patterns";
  ExcludeList list_;
};

TEST_F(ExcludeFile, HasOnePatternALine) {
  ASSERT_TRUE(Add("a\n/b/c\n*.log").ok());  // the last without a newline
  EXPECT_TRUE(list_.Matches("x/a", false));
  EXPECT_TRUE(list_.Matches("b/c", false));
  EXPECT_TRUE(list_.Matches("x.log", false));
  EXPECT_FALSE(list_.Matches("b", false));
}

TEST_F(ExcludeFile, PassesOverEmptyLinesAndComments) {
  ASSERT_TRUE(Add("\n# a\n#b\n\n\\#c\n").ok());
  EXPECT_FALSE(list_.Matches("a", false));
  EXPECT_FALSE(list_.Matches("#b", false));
  EXPECT_TRUE(list_.Matches("#c", false));
}

TEST_F(ExcludeFile, MayHaveLineEndsOfWindows) {
  ASSERT_TRUE(Add("a\r\n\r\nb\r\n").ok());
  EXPECT_TRUE(list_.Matches("a", false));
  EXPECT_TRUE(list_.Matches("b", false));
}

TEST_F(ExcludeFile, KeepsSpaces) {
  ASSERT_TRUE(Add(" a \n").ok());
  EXPECT_TRUE(list_.Matches(" a ", false));
  EXPECT_FALSE(list_.Matches("a", false));
}

TEST_F(ExcludeFile, MayBeEmpty) {
  ASSERT_TRUE(Add("").ok());
  EXPECT_TRUE(list_.empty());
}

TEST_F(ExcludeFile, ErrorNamesTheFileAndTheLine) {
  const absl::Status status = Add("a\n\n# x\na/../b\n");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(std::string(status.message()).starts_with(path_ + " line 4: ")) << status;
}

TEST_F(ExcludeFile, ThatIsMissingIsNamed) {
  const absl::Status status = list_.AddFile(path_);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find(path_), std::string::npos) << status;
  EXPECT_NE(std::string(status.message()).find("No such file"), std::string::npos) << status;
}

TEST_F(ExcludeFile, ThatIsADirectoryIsNamed) {
  const absl::Status status = list_.AddFile(directory_.path());
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find(directory_.path()), std::string::npos) << status;
  EXPECT_NE(std::string(status.message()).find("directory"), std::string::npos) << status;
}

}  // namespace
}  // namespace volstream
