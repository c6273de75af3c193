// ArchiveName: which names are ours. Retention deletes only what parses here, so the list of what
// must not parse is the longer one.
#include "stages/archive_name.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace volstream {
namespace {

using namespace std::literals;

absl::Time Utc(int year, int month, int day, int hour, int minute, int second) {
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone());
}

TEST(ArchiveName, IsStemAndUtcTime) {
  EXPECT_EQ((ArchiveName{"openwebui", Utc(2025, 8, 1, 1, 2, 3)}.ToString()),
            "openwebui_20250801_010203.tar.gz");
}

TEST(ArchiveName, DropsFractionsOfASecond) {
  EXPECT_EQ((ArchiveName{"v", Utc(2025, 8, 1, 1, 2, 3) + absl::Milliseconds(999)}.ToString()),
            "v_20250801_010203.tar.gz");
}

TEST(ArchiveName, ParseGivesBackStemAndTime) {
  const std::optional<ArchiveName> name = ArchiveName::Parse("a.b-c_d_20241231_235959.tar.gz");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->stem, "a.b-c_d");
  EXPECT_EQ(name->time, Utc(2024, 12, 31, 23, 59, 59));
}

TEST(ArchiveName, TellsATarFromAnyOtherStream) {
  const ArchiveName raw{"dump", Utc(2025, 8, 1, 1, 2, 3), ArchiveKind::kRaw};
  EXPECT_EQ(raw.ToString(), "dump_20250801_010203.gz");
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(raw.ToString());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->stem, "dump");
  EXPECT_EQ(parsed->kind, ArchiveKind::kRaw);
  EXPECT_EQ(ArchiveName::Parse("dump_20250801_010203.tar.gz")->kind, ArchiveKind::kTar);
}

TEST(ArchiveName, SaysWhichCodecMadeIt) {
  for (const ArchiveKind kind : {ArchiveKind::kTar, ArchiveKind::kRaw}) {
    for (const ArchiveFormat format : {ArchiveFormat::kGzip, ArchiveFormat::kZstd}) {
      const ArchiveName name{"v", Utc(2025, 8, 1, 1, 2, 3), kind, format};
      const std::optional<ArchiveName> parsed = ArchiveName::Parse(name.ToString());
      ASSERT_TRUE(parsed.has_value()) << name.ToString();
      EXPECT_EQ(parsed->stem, "v");
      EXPECT_EQ(parsed->kind, kind) << name.ToString();
      EXPECT_EQ(parsed->format, format) << name.ToString();
    }
  }
  EXPECT_EQ(ArchiveName::Parse("v_20250801_010203.tar.zst")->kind, ArchiveKind::kTar);
  EXPECT_EQ(ArchiveName::Parse("v_20250801_010203.zst")->kind, ArchiveKind::kRaw);
}

TEST(ArchiveName, ParseTakesALeapDay) {
  EXPECT_TRUE(ArchiveName::Parse("v_20240229_000000.tar.gz").has_value());
}

TEST(ArchiveName, ParseTakesAStemThatLooksLikeATime) {
  const std::optional<ArchiveName> name =
      ArchiveName::Parse("v_20200101_000000_20250101_000000.tar.gz");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->stem, "v_20200101_000000");
}

TEST(ArchiveName, ParseGivesBackWhatToStringMade) {
  for (const char* stem : {"v", "_", "0", "volume", "a_", "_a", "a.b", "20250101_000000"}) {
    const ArchiveName name{stem, Utc(2031, 1, 9, 0, 0, 7)};
    const std::optional<ArchiveName> parsed = ArchiveName::Parse(name.ToString());
    ASSERT_TRUE(parsed.has_value()) << stem;
    EXPECT_EQ(parsed->stem, stem);
    EXPECT_EQ(parsed->time, name.time);
  }
}

class NotAnArchiveName : public ::testing::TestWithParam<std::string> {};

TEST_P(NotAnArchiveName, DoesNotParse) {
  EXPECT_FALSE(ArchiveName::Parse(GetParam()).has_value()) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    All, NotAnArchiveName,
    ::testing::Values(
        ""s, ".tar.gz"s, "v.tar.gz"s, "20250101_000000.tar.gz"s, "_20250101_000000.tar.gz"s,
        // Not the ending.
        "v_20250101_000000"s, "v_20250101_000000.tar"s, "v_20250101_000000.tgz"s,
        "v_20250101_000000.TAR.GZ"s, "v_20250101_000000.tar.gz.zst"s, "v_20250101_000000.zst.gz"s,
        "v_20250101_000000.tar.zstd"s, "v_20250101_000000.tar.gz.receipt.json"s,
        "v_20250101_000000.tar.gz "s, "v_20250101_000000.tar.gz\n"s, "v_20250101_000000.tar.gz/"s,
        "v_20250101_000000.tar.gz\0"s,
        // No such time.
        "v_20250229_000000.tar.gz"s, "v_20251301_000000.tar.gz"s, "v_20250100_000000.tar.gz"s,
        "v_20250101_240000.tar.gz"s, "v_20250101_006000.tar.gz"s, "v_20250101_000060.tar.gz"s,
        // Not the form.
        "v_2025010_000000.tar.gz"s, "v_20250101_00000.tar.gz"s, "v_20250101000000.tar.gz"s,
        "v_20250101-000000.tar.gz"s, "v-20250101_000000.tar.gz"s, "v20250101_000000.tar.gz"s,
        "v_20250101_00000x.tar.gz"s, "v_2025 101_000000.tar.gz"s, "v_20250101_ 00000.tar.gz"s,
        "v_+0250101_000000.tar.gz"s, "v_-0250101_000000.tar.gz"s, "v_20250101_000000.1.tar.gz"s,
        // Not a stem.
        ".v_20250101_000000.tar.gz"s, "-v_20250101_000000.tar.gz"s, "a/v_20250101_000000.tar.gz"s,
        "../v_20250101_000000.tar.gz"s, "a b_20250101_000000.tar.gz"s,
        "\xc3\xbc_20250101_000000.tar.gz"s, "v\n_20250101_000000.tar.gz"s,
        "v\0_20250101_000000.tar.gz"s,
        // Unfinished ones.
        ".v_20250101_000000.tar.gz.partial"s));

TEST(StemFrom, KeepsLettersDigitsDotsAndDashes) {
  EXPECT_EQ(StemFrom("Open-WebUI_2.0"), "Open-WebUI_2.0");
}

TEST(StemFrom, ReplacesAllElse) {
  EXPECT_EQ(StemFrom("my volume/a\n"), "my_volume_a_");
  EXPECT_EQ(StemFrom("gr\xc3\xbc"), "gr__");
}

TEST(StemFrom, ReplacesADotOrDashInFront) {
  EXPECT_EQ(StemFrom(".hidden"), "_hidden");
  EXPECT_EQ(StemFrom("-rf"), "_rf");
  EXPECT_EQ(StemFrom(".."), "_.");
}

TEST(StemFrom, NamesAnEmptyText) { EXPECT_EQ(StemFrom(""), "volume"); }

TEST(StemFrom, IsStableWhenRepeated) {
  for (const char* text : {"", ".", "-", "..a", " x", "\xff"}) {
    EXPECT_EQ(StemFrom(StemFrom(text)), StemFrom(text));
  }
}

TEST(ReceiptNameOf, AppendsTheSuffix) {
  EXPECT_EQ(ReceiptNameOf("v_20250101_000000.tar.gz"), "v_20250101_000000.tar.gz.receipt.json");
}

TEST(VerificationNameOf, AppendsTheSuffix) {
  EXPECT_EQ(VerificationNameOf("v_20250101_000000.gz"), "v_20250101_000000.gz.verify.json");
}

TEST(AttachedTo, IsTheArchiveOfAReceiptOrAVerification) {
  const std::string name = "v_20250101_000000.tar.gz";
  EXPECT_EQ(AttachedTo(ReceiptNameOf(name)), name);
  EXPECT_EQ(AttachedTo(VerificationNameOf(name)), name);
  EXPECT_EQ(AttachedTo(name), "");
  EXPECT_EQ(AttachedTo(name + ".json"), "");
}

TEST(BelongsTo, TakesAnArchiveAndWhatIsKeptBesideIt) {
  const std::string name = "v_20250101_000000.tar.gz";
  for (const std::string& kept : {name, ReceiptNameOf(name), VerificationNameOf(name)}) {
    EXPECT_TRUE(BelongsTo(kept, "v")) << kept;
    EXPECT_TRUE(BelongsTo(kept, "")) << kept;
    EXPECT_FALSE(BelongsTo(kept, "w")) << kept;
  }
  EXPECT_FALSE(BelongsTo("v.verify.json", "v"));
  EXPECT_FALSE(BelongsTo(VerificationNameOf(ReceiptNameOf(name)), "v"));
}

}  // namespace
}  // namespace volstream
