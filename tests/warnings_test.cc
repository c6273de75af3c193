// Warnings: what is kept, what is only counted; and paths made fit for one line of a terminal.
#include "stages/warnings.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace volstream {
namespace {

using namespace std::literals;

TEST(Warnings, KeepTextsInOrder) {
  Warnings warnings;
  warnings.Add("a", "changed");
  warnings.AddMissing("b/c", "cannot be read");
  EXPECT_EQ(warnings.texts(), (std::vector<std::string>{"a: changed", "b/c: cannot be read"}));
}

TEST(Warnings, CountMissingThingsAmongAll) {
  Warnings warnings;
  warnings.Add("a", "changed");
  warnings.AddMissing("b", "cannot be read");
  EXPECT_EQ(warnings.count(), 2u);
  EXPECT_EQ(warnings.missing_count(), 1u);
}

TEST(Warnings, TellTheListenerEachTextAtOnce) {
  std::vector<std::string> heard;
  Warnings warnings([&heard](std::string_view text) { heard.emplace_back(text); });
  warnings.Add("a", "changed");
  EXPECT_EQ(heard, std::vector<std::string>{"a: changed"});
  warnings.AddMissing("b", "gone");
  EXPECT_EQ(heard.size(), 2u);
}

TEST(Warnings, MakeThePathPrintable) {
  Warnings warnings;
  warnings.Add("a\nb", "changed");
  EXPECT_EQ(warnings.texts().at(0), "a\\nb: changed");
}

TEST(Warnings, CountWhatIsTooMuchToKeep) {
  Warnings warnings;
  for (size_t i = 0; i < Warnings::kMaxKept + 5; ++i) warnings.AddMissing("a", "gone");
  EXPECT_EQ(warnings.texts().size(), Warnings::kMaxKept);
  EXPECT_EQ(warnings.count(), Warnings::kMaxKept + 5);
  EXPECT_EQ(warnings.missing_count(), Warnings::kMaxKept + 5);
}

TEST(Warnings, LoseNoneFromManyThreads) {
  Warnings warnings;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&warnings] {
      for (int i = 0; i < 500; ++i) warnings.AddMissing("a", "gone");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(warnings.count(), 4000u);
  EXPECT_EQ(warnings.missing_count(), 4000u);
  EXPECT_EQ(warnings.texts().size(), 4000u);
}

TEST(PrintablePath, LeavesPlainNamesAlone) {
  EXPECT_EQ(PrintablePath("dir/file name-1.txt"), "dir/file name-1.txt");
  EXPECT_EQ(PrintablePath(""), "");
}

TEST(PrintablePath, KeepsLettersInUtf8) {
  const std::string path = "gr\xc3\xbc\xc3\x9f/\xe2\x82\xac/\xf0\x9f\x92\xbe";
  EXPECT_EQ(PrintablePath(path), path);
}

TEST(PrintablePath, LeavesNoControlByte) {
  for (const std::string& around : {""s, "\xc3\xbc"s}) {  // plain ASCII, and with other letters
    for (int byte = 0; byte < 0x20; ++byte) {
      const std::string text = PrintablePath(around + static_cast<char>(byte) + around);
      for (const char c : text) {
        EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << byte << ": " << text;
      }
    }
    EXPECT_EQ(PrintablePath(around + "\x7f"), around + "\\x7f");
    EXPECT_EQ(PrintablePath(around + "\x1b[2J"), around + "\\x1b[2J");
  }
}

TEST(PrintablePath, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(PrintablePath("latin1-\xe9"), "latin1-\\xe9");
  EXPECT_EQ(PrintablePath("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(PrintablePath("\x80"), "\\x80");
}

TEST(PrintablePath, EscapesCutOffLetters) {
  EXPECT_EQ(PrintablePath("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(PrintablePath("\xc3/\xc3\xbc"), "\\xc3/\xc3\xbc");
  EXPECT_EQ(PrintablePath("\xf0\x9f\x92"), "\\xf0\\x9f\\x92");
}

TEST(PrintablePath, EscapesOverlongForms) {
  // RFC 3629, 3: decoders must not take these; strict readers of the receipt do not.
  EXPECT_EQ(PrintablePath("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(PrintablePath("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
  EXPECT_EQ(PrintablePath("\xf0\x80\x80\xaf"), "\\xf0\\x80\\x80\\xaf");
}

TEST(PrintablePath, EscapesSurrogates) {
  EXPECT_EQ(PrintablePath("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(PrintablePath, EscapesWhatLiesBeyondUnicode) {
  EXPECT_EQ(PrintablePath("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(PrintablePath("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
}

TEST(PrintablePath, EscapesTheControlsOfTheUpperHalf) {
  // U+009B is CSI: some terminals obey it as they obey ESC [.
  EXPECT_EQ(PrintablePath("\xc2\x9b"
                          "2J"),
            "\\xc2\\x9b2J");
}

}  // namespace
}  // namespace volstream
