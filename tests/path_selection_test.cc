// PathSelection: every rule of the header.
#include "stages/path_selection.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace volstream {
namespace {

using Texts = std::vector<std::string>;

PathSelection Of(const Texts& patterns) {
  absl::StatusOr<PathSelection> selection = PathSelection::Make(patterns);
  EXPECT_TRUE(selection.ok()) << selection.status();
  return selection.ok() ? *selection : PathSelection();
}

struct SelectCase {
  const char* name;
  const char* pattern;
  Texts selects;
  Texts passes;
};

void PrintTo(const SelectCase& select, std::ostream* out) { *out << select.pattern; }

const SelectCase kCases[] = {
    {"Path", "a/b", {"a/b", "a/b/c", "a/b/c/d"}, {"", "a", "a/bb", "b", "x/a/b", "a/b.c"}},
    {"WithDotInFront", "./a", {"a", "a/b"}, {"", "b/a"}},
    {"WithSlashAtTheEnd", "a/", {"a", "a/b"}, {"", "ab"}},
    {"WithSlashInFront", "/a", {"a", "a/b", "/a", "/a/b"}, {"b/a"}},
    {"WhatSaysNothing", "a//./b/.", {"a/b", "a/b/c"}, {"a"}},
    {"OfAPathWithWhatSaysNothing", "a/b", {"/a/b", "a//b/c", "./a/./b"}, {"a/x/b"}},
    {"Root", ".", {"", "a", "a/b"}, {}},
    {"RootWithSlash", "./", {"", "a"}, {}},
    {"Star", "*.c", {"x.c", ".c", "x.c/y"}, {"", "a/x.c", "x.h"}},
    {"StarInside", "a/*/c", {"a/b/c", "a/b/c/d"}, {"a", "a/b", "a/c", "a/b/b/c"}},
    {"StarIsEveryNameBelowTheRoot", "*", {"a", ".a", "a/b"}, {""}},
    {"QuestionMark", "a?", {"ab", "ab/c"}, {"a", "abc", "a/b"}},
    {"Set", "[a-c]", {"a", "b/x"}, {"d", "ab"}},
    {"SetNegated", "[!a]", {"b"}, {"a"}},
    {"AnyDepth", "**/x", {"x", "a/x", "a/b/x", "a/x/y"}, {"", "a", "a/xx"}},
    {"AnyDepthInside", "a/**/x", {"a/x", "a/b/c/x"}, {"a", "x", "b/a/x"}},
    {"AnyDepthAtTheEnd", "a/**", {"a", "a/b"}, {"", "b"}},
    {"AnyDepthAlone", "**", {"", "a", "a/b"}, {}},
    {"QuotedStar", "\\*", {"*", "*/a"}, {"a"}},
    {"QuotedBracket", "a\\[1", {"a[1"}, {"a1"}},
    {"QuotedBackslash", "a\\\\b", {"a\\b"}, {"ab"}},
    {"QuotedLetter", "\\a", {"a"}, {"\\a"}},
    {"NotUtf8", "\xe9", {"\xe9", "\xe9/\xff"}, {"\xe8"}},
    {"QuestionMarkIsAByte", "gr??n", {"gr\xc3\xbcn"}, {"gr\xc3n"}},
    {"DotsInAName", "..a", {"..a", "..a/b"}, {"a"}},
    {"Newline", "a\nb", {"a\nb"}, {"a"}},
};

class PathSelectionOf : public ::testing::TestWithParam<SelectCase> {};

TEST_P(PathSelectionOf, IsAsTheHeaderSays) {
  PathSelection selection = Of({GetParam().pattern});
  EXPECT_FALSE(selection.selects_all());
  for (const std::string& path : GetParam().passes) {
    EXPECT_FALSE(selection.Selects(path)) << path;
    EXPECT_FALSE(selection.SelectsAndNotes(path)) << path;
  }
  EXPECT_EQ(selection.Unmatched(), Texts{GetParam().pattern});
  for (const std::string& path : GetParam().selects) {
    EXPECT_TRUE(selection.Selects(path)) << path;
    EXPECT_TRUE(selection.SelectsAndNotes(path)) << path;
  }
  EXPECT_EQ(selection.Unmatched(), Texts{});
}

INSTANTIATE_TEST_SUITE_P(A, PathSelectionOf, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(PlainPath, IsThePathOfAnEntry) {
  for (const char* path : {"a/b", "./a/b", "/a/b/", "a//./b/."}) {
    EXPECT_EQ(PlainPath(path), "a/b") << path;
  }
  EXPECT_EQ(PlainPath("."), "");
  EXPECT_EQ(PlainPath("a\\*"), "a\\*");
}

TEST(PathSelection, OfNoPatternSelectsAll) {
  for (PathSelection selection : {PathSelection(), Of({})}) {
    EXPECT_TRUE(selection.selects_all());
    EXPECT_TRUE(selection.Selects("a/b"));
    EXPECT_TRUE(selection.SelectsAndNotes(""));
    EXPECT_EQ(selection.Unmatched(), Texts{});
    EXPECT_EQ(selection.Roots(), Texts{""});
  }
}

class PathSelectionRefuses : public ::testing::TestWithParam<const char*> {};

TEST_P(PathSelectionRefuses, APatternThatCannotBeMeant) {
  const absl::Status status = PathSelection::Make({"a", GetParam()}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(std::string(status.message()).find(std::string("\"") + GetParam() + "\""),
            std::string::npos)
      << status;
}

INSTANTIATE_TEST_SUITE_P(A, PathSelectionRefuses,
                         ::testing::Values("", "..", "../a", "a/..", "a/../b", "\\..", "[a", "a/[",
                                           "[a/b]", "a\\", "a\\/b", "*\\"));

TEST(PathSelection, SelectsWhatAnyPatternMeans) {
  const PathSelection selection = Of({"a", "b/*.c"});
  EXPECT_TRUE(selection.Selects("a/x"));
  EXPECT_TRUE(selection.Selects("b/x.c"));
  EXPECT_FALSE(selection.Selects("b"));
}

TEST(PathSelection, NotesEveryPatternThatSelects) {
  PathSelection selection = Of({"a", "**/x", "z", "a"});
  EXPECT_TRUE(selection.SelectsAndNotes("a"));
  EXPECT_EQ(selection.Unmatched(), (Texts{"**/x", "z"}));
  EXPECT_TRUE(selection.SelectsAndNotes("a/x"));
  EXPECT_EQ(selection.Unmatched(), Texts{"z"});
  EXPECT_TRUE(selection.Selects("z"));  // asks without noting
  EXPECT_EQ(selection.Unmatched(), Texts{"z"});
}

TEST(PathSelection, HasRootsAboveAllThatItSelects) {
  EXPECT_EQ(Of({"a/b"}).Roots(), Texts{"a/b"});
  EXPECT_EQ(Of({"a/b/*.c"}).Roots(), Texts{"a/b"});
  EXPECT_EQ(Of({"a/*/c"}).Roots(), Texts{"a"});
  EXPECT_EQ(Of({"a", "*.c"}).Roots(), Texts{""});
  EXPECT_EQ(Of({"a", "."}).Roots(), Texts{""});
  EXPECT_EQ(Of({"./a\\*//b/"}).Roots(), Texts{"a*/b"});
}

TEST(PathSelection, HasNoRootBelowAnother) {
  EXPECT_EQ(Of({"a/b", "a", "a/b/c", "a"}).Roots(), Texts{"a"});
  EXPECT_EQ(Of({"a/b", "a.b", "a/b/c"}).Roots(), (Texts{"a/b", "a.b"}));
}

TEST(PathSelection, HasRootsInTheOrderOfAnArchive) {
  // As bytes, '.' and '-' come before '/'.
  EXPECT_EQ(Of({"b", "a.b", "a/b", "a-b/c"}).Roots(), (Texts{"a/b", "a-b/c", "a.b", "b"}));
}

}  // namespace
}  // namespace volstream
