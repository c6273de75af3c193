// SalvageArchive: real backups, damaged in every way, restored into a directory. Every file whose
// bytes are untouched is there as it was, and no file has a byte that is wrong.
#include "stages/salvage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "stages/archive_index.h"
#include "stages/backup.h"
#include "stages/error_kind.h"
#include "stages/local_storage.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

// A backup of a tree, made once.
struct Sound {
  TempDir dir;
  std::string bytes;
  std::vector<MemberExtent> members;
  std::vector<IndexedEntry> entries;
  Tree tree;
  std::string source() const { return dir / "tree"; }
};

Sound* MakeSound(ArchiveFormat format) {
  auto sound = std::make_unique<Sound>();
  MakeTree(sound->source(), {.seed = 8, .incompressible_bytes = 9 * kMiB});
  sound->tree = SnapshotTree(sound->source());
  std::filesystem::create_directory(sound->dir / "to");
  const std::unique_ptr<Storage> storage = OpenLocalStorage(sound->dir / "to");
  BackupOptions options;
  options.source = sound->source();
  options.format = format;
  options.level = 1;
  const BackupReport report = Backup(options, {storage.get()}).Run();
  EXPECT_TRUE(report.status.ok()) << report.status;
  sound->bytes = ReadFile(sound->dir / ("to/" + report.receipt.archive));
  const auto file = *ArchiveFile::Open(storage.get(), report.receipt.archive);
  const auto index = *ArchiveIndex::Open(file.get());
  EXPECT_TRUE(index
                  ->ForEachMember([&](const MemberExtent& member) {
                    sound->members.push_back(member);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(index
                  ->ForEach([&](const IndexedEntry& entry) {
                    sound->entries.push_back(entry);
                    return absl::OkStatus();
                  })
                  .ok());
  return sound.release();
}

class SalvageTest : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  static void TearDownTestSuite() {
    for (Sound*& sound : sounds_) {
      delete sound;
      sound = nullptr;
    }
  }
  void SetUp() override {
    Sound*& sound = sounds_[static_cast<int>(GetParam())];
    if (sound == nullptr) sound = MakeSound(GetParam());
    sound_ = sound;
  }

  // Restores what is left of these bytes into target().
  absl::StatusOr<SalvageReport> Salvage(const std::string& bytes, SalvageOptions options = {}) {
    round_.emplace();
    warnings_.clear();
    std::filesystem::create_directory(*round_ / "from");
    const std::string name = "a.tar" + std::string(FormatSuffix(GetParam()));
    WriteFile(*round_ / ("from/" + name), bytes);
    const std::unique_ptr<Storage> storage = OpenLocalStorage(*round_ / "from");
    const auto file = *ArchiveFile::Open(storage.get(), name);
    TreeWriterOptions writer_options;
    writer_options.target = target();
    writer_options.owners = Owners::kByNumber;
    absl::StatusOr<std::unique_ptr<TreeWriter>> writer = TreeWriter::Open(writer_options);
    EXPECT_TRUE(writer.ok()) << writer.status();
    options.on_warning = [this](std::string_view text) { warnings_.emplace_back(text); };
    return SalvageArchive(file.get(), options, writer->get());
  }
  std::string target() const { return *round_ / "target"; }
  size_t WarningsWith(std::string_view words) const {
    size_t count = 0;
    for (const std::string& text : warnings_) {
      count += text.find(words) == std::string::npos ? 0 : 1;
    }
    return count;
  }

  // Whether all members that hold the entry are as they were.
  static bool IsUntouched(const IndexedEntry& entry, const std::string& bytes) {
    for (const MemberExtent& m : sound_->members) {
      if (m.tar_offset < entry.place.end_offset() &&
          entry.place.tar_offset < m.tar_offset + m.tar_bytes &&
          (m.archive_offset + m.archive_bytes > bytes.size() ||
           bytes.compare(m.archive_offset, m.archive_bytes, sound_->bytes, m.archive_offset,
                         m.archive_bytes) != 0)) {
        return false;
      }
    }
    return true;
  }
  // Against the tree: nothing else, nothing wrong, and all that is untouched.
  void ExpectTrue(const std::string& bytes) {
    const Tree restored = SnapshotTree(target());
    for (const auto& [path, node] : restored) {
      const auto sound = sound_->tree.find(path);
      ASSERT_NE(sound, sound_->tree.end()) << path;
      EXPECT_EQ(node.type, sound->second.type) << path;
      EXPECT_EQ(node.link_target, sound->second.link_target) << path;
      if (node.type != '-') continue;
      const std::string got = ReadFile(target() + "/" + path);
      const std::string whole = ReadFile(sound_->source() + "/" + path);
      ASSERT_EQ(got.size(), whole.size()) << path;
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_TRUE(got[i] == whole[i] || got[i] == '\0') << path << " at " << i;
      }
    }
    for (const IndexedEntry& entry : sound_->entries) {
      if (!IsUntouched(entry, bytes)) continue;
      const std::string path = entry.path.empty() ? "." : entry.path;
      if (entry.type == TarType::kHardLink && !restored.contains(entry.link_target)) continue;
      ASSERT_TRUE(restored.contains(path)) << path;
      if (entry.type == TarType::kFile) {
        EXPECT_TRUE(ReadFile(target() + "/" + path) == ReadFile(sound_->source() + "/" + path))
            << path;
        EXPECT_EQ(restored.at(path).mtime_ns, sound_->tree.at(path).mtime_ns) << path;
        EXPECT_EQ(restored.at(path).mode, sound_->tree.at(path).mode) << path;
      }
    }
  }

  static inline Sound* sounds_[2] = {};
  static inline const Sound* sound_ = nullptr;  // of the format under test
  std::optional<TempDir> round_;
  std::vector<std::string> warnings_;
};

INSTANTIATE_TEST_SUITE_P(Formats, SalvageTest,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         [](const auto& info) { return std::string(FormatName(info.param)); });

TEST_P(SalvageTest, RestoresAllOfASoundArchive) {
  const absl::StatusOr<SalvageReport> report = Salvage(sound_->bytes);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->is_complete());
  EXPECT_TRUE(report->has_index);
  EXPECT_EQ(report->whole, sound_->entries.size());
  EXPECT_TRUE(warnings_.empty()) << warnings_[0];
  EXPECT_EQ(report->written.entries, sound_->entries.size());
  ExpectTrue(sound_->bytes);
}

TEST_P(SalvageTest, RestoresWhatLiesBeforeACutTail) {
  const std::string bytes = sound_->bytes.substr(0, sound_->bytes.size() / 2);
  const absl::StatusOr<SalvageReport> report = Salvage(bytes);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->has_index);
  EXPECT_FALSE(report->saw_end);
  EXPECT_FALSE(report->is_complete());
  EXPECT_GT(report->whole, 0u);
  EXPECT_EQ(WarningsWith("its index is lost"), 1u);
  EXPECT_EQ(WarningsWith("the end of its tar is lost"), 1u);
  ExpectTrue(bytes);
}

TEST_P(SalvageTest, RestoresAllWhereOnlyTheIndexIsGone) {
  const MemberExtent& last = sound_->members.back();
  const std::string bytes = sound_->bytes.substr(0, last.archive_offset + last.archive_bytes);
  const absl::StatusOr<SalvageReport> report = Salvage(bytes);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->is_complete());
  EXPECT_FALSE(report->has_index);
  EXPECT_EQ(report->whole, sound_->entries.size());
  ExpectTrue(bytes);
}

TEST_P(SalvageTest, NamesEveryEntryThatIsDamagedOrLost) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    std::string bytes = sound_->bytes;
    const uint64_t data = sound_->members.back().archive_offset;
    const uint64_t hole = round < 2 ? 3 * kMiB : 4 * kKiB << (random() % 8);
    bytes.replace(random() % (data - hole), hole, hole, '\0');
    const absl::StatusOr<SalvageReport> report = Salvage(bytes);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->has_index);
    EXPECT_EQ(report->gap_count, 1u);
    EXPECT_GE(report->archive_bytes_lost, hole);
    EXPECT_EQ(report->whole + report->damaged + report->lost, sound_->entries.size());
    EXPECT_GT(report->damaged + report->lost, 0u);
    EXPECT_EQ(WarningsWith(": lost"), report->lost);
    EXPECT_EQ(WarningsWith("have become zeros"), report->damaged);
    EXPECT_EQ(WarningsWith("are damaged: "), 1u);
    ExpectTrue(bytes);
  }
}

TEST_P(SalvageTest, RestoresWhatHolesLeaveOverWithoutTheIndex) {
  std::mt19937_64 random(4);
  const MemberExtent& last = sound_->members.back();
  const std::string data = sound_->bytes.substr(0, last.archive_offset + last.archive_bytes);
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    std::string bytes = data;
    const uint64_t hole = round < 2 ? 3 * kMiB : 4 * kKiB << (random() % 8);
    bytes.replace(random() % (data.size() - hole), hole, hole, '\0');
    const absl::StatusOr<SalvageReport> report = Salvage(bytes);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->is_complete());
    ExpectTrue(bytes);
  }
}

TEST_P(SalvageTest, RestoresWhatLiesBehindItsFirstBytes) {
  const std::string overwritten = std::string(1'000, 'x') + sound_->bytes.substr(1'000);
  absl::StatusOr<SalvageReport> report = Salvage(overwritten);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->has_index);
  EXPECT_GT(report->lost, 0u);
  ExpectTrue(overwritten);
  report = Salvage(sound_->bytes.substr(1'000));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->has_index);
  EXPECT_GT(report->whole, 0u);
  EXPECT_TRUE(report->saw_end);
}

TEST_P(SalvageTest, RestoresSelectedPathsAlone) {
  const auto file = std::find_if(
      sound_->entries.begin(), sound_->entries.end(),
      [](const IndexedEntry& entry) { return entry.type == TarType::kFile && entry.bytes > 0; });
  SalvageOptions options;
  options.selection = *PathSelection::Make({file->path, "not-there"});
  const absl::StatusOr<SalvageReport> report = Salvage(sound_->bytes, options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->whole, 1u);
  EXPECT_EQ(report->unmatched, std::vector<std::string>{"not-there"});
  EXPECT_TRUE(ReadFile(target() + "/" + file->path) ==
              ReadFile(sound_->source() + "/" + file->path));
}

TEST_P(SalvageTest, EndsWhereItIsCancelled) {
  const std::atomic<bool> cancelled = true;
  SalvageOptions options;
  options.cancelled = &cancelled;
  EXPECT_EQ(KindOf(Salvage(sound_->bytes, options).status()), ErrorKind::kInterrupted);
}

TEST_P(SalvageTest, FindsNothingInWhatIsNoArchive) {
  const absl::StatusOr<SalvageReport> report = Salvage(RandomBytes(1, 200'000));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->whole, 0u);
  EXPECT_FALSE(report->is_complete());
}

}  // namespace
}  // namespace volstream
