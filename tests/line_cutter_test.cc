#include "stages/line_cutter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace volstream {
namespace {

std::vector<std::string> Cut(const std::vector<std::string>& pieces) {
  std::vector<std::string> lines;
  LineCutter cutter([&lines](std::string_view line) { lines.emplace_back(line); });
  for (const std::string& piece : pieces) cutter.Feed(piece);
  cutter.Finish();
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineCutter, CutsAtNewlinesWhereverThePiecesEnd) {
  EXPECT_EQ(Cut({"one\ntw", "o\nthr", "ee"}), (Lines{"one", "two", "three"}));
  EXPECT_EQ(Cut({"one", "\n", "two\n"}), (Lines{"one", "two"}));
}

TEST(LineCutter, LeavesOutEmptyLinesAndCarriageReturns) {
  EXPECT_EQ(Cut({"\n\none\r\n\r\ntwo\r\n"}), (Lines{"one", "two"}));
  EXPECT_EQ(Cut({}), Lines{});
}

TEST(LineCutter, CutsALineThatDoesNotEnd) {
  const Lines lines = Cut({std::string(2 * LineCutter::kMaxBytes + 1, 'x')});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].size(), LineCutter::kMaxBytes);
  EXPECT_EQ(lines[2].size(), 1u);
}

}  // namespace
}  // namespace volstream
