// MemberInput: no damage passes, wherever it lies, and the error says where.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "stages/error_kind.h"
#include "stages/member_framing.h"
#include "stages/member_input.h"
#include "tests/support/fake_storage.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr size_t kDamaged = 7;  // the member that tests damage

// What reading all of these bytes ends with.
absl::Status StatusOf(ArchiveFormat format, const std::string& bytes) {
  FakeStorage storage;
  storage.Set("a.tar.gz", bytes);
  const std::unique_ptr<ArchiveFile> file = *ArchiveFile::Open(&storage, "a.tar.gz");
  MemberInputOptions options;
  options.format = format;
  options.memory_bytes = 8 * kMiB;
  options.workers = 2;
  const std::unique_ptr<MemberInput> input = *MemberInput::Open(file.get(), options);
  while (true) {
    const absl::StatusOr<SharedBytes> next = input->Next();
    if (!next.ok() || next->bytes.empty()) return next.status();
  }
}

class MemberInputDamageTest : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  static absl::Status StatusOf(const std::string& bytes) {
    return volstream::StatusOf(GetParam(), bytes);
  }
  // Damage whose error has the offset of the member or, where a size leads astray, a later one.
  void ExpectFound(const std::string& bytes, std::string_view what) {
    const absl::Status status = StatusOf(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << what << ": " << status;
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
    const std::string message(status.message());
    constexpr std::string_view kBegin = "fake://bucket/a.tar.gz is damaged at offset ";
    ASSERT_EQ(message.find(kBegin), 0u) << what << ": " << message;
    const uint64_t offset = std::strtoull(message.c_str() + kBegin.size(), nullptr, 10);
    EXPECT_GE(offset, member().archive_offset) << what << ": " << message;
    EXPECT_NE(message.find("--salvage"), std::string::npos) << message;
  }
  void ExpectFoundAt(size_t position, std::string_view what) {
    std::string bytes = archive_.bytes;
    bytes[position] = static_cast<char>(bytes[position] ^ 4);
    ExpectFound(bytes, what);
  }
  const MemberExtent& member() const { return archive_.members[kDamaged]; }

  size_t header_bytes() const { return MemberFraming::Of(GetParam()).header_bytes(); }

  const MemberArchive archive_ = RandomArchive(1, 12, 20'000, GetParam());
};

INSTANTIATE_TEST_SUITE_P(Formats, MemberInputDamageTest,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         kFormatTestName);

TEST_P(MemberInputDamageTest, SoundBytesPass) {
  EXPECT_TRUE(StatusOf(archive_.bytes).ok()) << StatusOf(archive_.bytes);
}

TEST_P(MemberInputDamageTest, FindsAFlippedByteOfEveryKind) {
  const size_t begin = member().archive_offset;
  const size_t end = begin + member().archive_bytes;
  for (size_t i = 0; i < header_bytes(); ++i) {
    ExpectFoundAt(begin + i, "header, byte " + std::to_string(i));
  }
  for (size_t i = header_bytes(); i < end - begin - 8; i += 997) {
    ExpectFoundAt(begin + i, "body, byte " + std::to_string(i));
  }
  for (size_t i = 1; i <= 8; ++i) ExpectFoundAt(end - i, "trailer, byte -" + std::to_string(i));
}

TEST_P(MemberInputDamageTest, NamesTheMemberWhoseBodyIsDamaged) {
  std::string bytes = archive_.bytes;
  bytes[member().archive_offset + member().archive_bytes / 2] ^= 1;
  const std::string message(StatusOf(bytes).message());
  EXPECT_NE(message.find("at offset " + std::to_string(member().archive_offset) + ": the member"),
            std::string::npos)
      << message;
}

TEST_P(MemberInputDamageTest, FindsThatTheArchiveIsCutOffWithinAMember) {
  const size_t begin = member().archive_offset;
  for (const size_t bytes : {size_t{1}, size_t{12}, size_t{33}, member().archive_bytes - 1}) {
    ExpectFound(archive_.bytes.substr(0, begin + bytes), "cut off");
  }
}

TEST_P(MemberInputDamageTest, FindsTheBodyOfAnotherMember) {
  MemberArchive archive = archive_;
  const std::string other = MemberOf(RandomBytes(99, member().tar_bytes), GetParam());
  const std::string same = MemberOf(RandomBytes(98, member().tar_bytes), GetParam());
  const std::string before = archive.bytes.substr(0, member().archive_offset);
  const std::string after = archive.bytes.substr(member().archive_offset + member().archive_bytes);
  ASSERT_TRUE(StatusOf(before + same + after).ok());
  ExpectFound(before + same.substr(0, header_bytes()) + other.substr(header_bytes()) + after,
              "another body");
}

TEST_P(MemberInputDamageTest, FindsBytesThatWereLostOrAdded) {
  std::string lost = archive_.bytes;
  lost.erase(member().archive_offset + 40, 100);
  ExpectFound(lost, "lost");
  std::string added = archive_.bytes;
  added.insert(member().archive_offset + member().archive_bytes, "x");
  ExpectFound(added, "added");
}

TEST_P(MemberInputDamageTest, FindsZerosInPlaceOfAMember) {
  std::string bytes = archive_.bytes;
  bytes.replace(member().archive_offset, member().archive_bytes, member().archive_bytes, '\0');
  ExpectFound(bytes, "zeros");
}

}  // namespace
}  // namespace volstream
