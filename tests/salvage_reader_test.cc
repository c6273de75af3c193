// SalvageReader: of an archive of a tree with holes anywhere, every entry that is whole comes
// whole, and of no entry a byte that is wrong.
#include "stages/salvage_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_storage.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

struct Piece {
  uint64_t offset = 0;
  std::string bytes;
};

struct Entry {
  RestoreEntry info;
  EntryPlace place;
  std::vector<Piece> pieces;

  std::string Content() const {
    std::string content(info.bytes, '\0');
    for (const Piece& piece : pieces)
      content.replace(piece.offset, piece.bytes.size(), piece.bytes);
    return content;
  }
};

class StringInput : public TarInput {
 public:
  explicit StringInput(const std::string& tar) : tar_(tar) {}
  absl::StatusOr<SharedBytes> Next() override {
    const ByteSpan rest(reinterpret_cast<const uint8_t*>(tar_.data()), tar_.size());
    return SharedBytes{std::exchange(given_, true) ? ByteSpan() : rest, nullptr};
  }
  void Cancel() override {}

 private:
  const std::string& tar_;
  bool given_ = false;
};

std::vector<Piece> PiecesOf(EntryReader* reader) {
  std::vector<Piece> pieces;
  while (true) {
    const absl::StatusOr<EntryData> data = reader->NextData();
    EXPECT_TRUE(data.ok()) << data.status();
    if (!data.ok() || data->content.bytes.empty()) return pieces;
    pieces.push_back(
        Piece{data->offset, std::string(data->content.bytes.begin(), data->content.bytes.end())});
  }
}

struct Salvaged {
  std::map<std::string, Entry> entries;  // by path
  std::map<std::string, DamagedEntry> damaged;
  std::vector<SalvageGap> gaps;
  bool saw_end = false;
};

class SalvageReaderTest : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  static void SetUpTestSuite() {
    dir_ = new TempDir();
    MakeTree(*dir_ / "tree", {.seed = 5, .incompressible_bytes = 9 * kMiB, .rare_files = true});
    for (const ArchiveFormat format : {ArchiveFormat::kGzip, ArchiveFormat::kZstd}) {
      archives_[format] = ArchiveOfTree(*dir_ / "tree", format);
    }
    sound_ = &archives_[ArchiveFormat::kGzip];
    entries_ = new std::map<std::string, Entry>();
    StringInput input(sound_->tar);
    const std::unique_ptr<TarReader> reader = TarReader::Make(&input);
    while (true) {
      const absl::StatusOr<const RestoreEntry*> entry = reader->Next();
      ASSERT_TRUE(entry.ok()) << entry.status();
      if (*entry == nullptr) break;
      const EntryPlace place = reader->place();
      const std::string path = (*entry)->path;
      (*entries_)[path] = Entry{**entry, place, {}};
      // The largest holes would take all memory.
      if ((*entry)->bytes < 64 * kMiB) (*entries_)[path].pieces = PiecesOf(reader.get());
    }
  }
  static void TearDownTestSuite() {
    delete entries_;
    archives_.clear();
    delete dir_;
  }

  void SetUp() override { sound_ = &archives_.at(GetParam()); }

  Salvaged Read(const std::string& bytes, bool with_index) {
    FakeStorage storage;
    storage.Set("a", bytes);
    const std::unique_ptr<ArchiveFile> file = *ArchiveFile::Open(&storage, "a");
    SalvageInput input(file.get(), GetParam(),
                       with_index ? sound_->members : std::vector<MemberExtent>());
    Salvaged salvaged;
    SalvageReaderOptions options;
    if (with_index) {
      for (const auto& [path, entry] : *entries_) {
        options.entry_offsets.push_back(entry.place.tar_offset);
      }
      std::sort(options.entry_offsets.begin(), options.entry_offsets.end());
    }
    options.on_gap = [&](const SalvageGap& gap) { salvaged.gaps.push_back(gap); };
    options.on_damaged = [&](const DamagedEntry& entry) { salvaged.damaged[entry.path] = entry; };
    SalvageReader reader(&input, options);
    while (true) {
      const absl::StatusOr<const RestoreEntry*> entry = reader.Next();
      EXPECT_TRUE(entry.ok()) << entry.status();
      if (!entry.ok() || *entry == nullptr) break;
      const std::string path = (*entry)->path;
      EXPECT_FALSE(salvaged.entries.contains(path)) << path;
      salvaged.entries[path] = Entry{**entry, EntryPlace(), {}};
      if ((*entry)->bytes < 64 * kMiB) salvaged.entries[path].pieces = PiecesOf(&reader);
    }
    salvaged.saw_end = reader.saw_end();
    return salvaged;
  }

  // Nothing of it is wrong; what is not said to be damaged is whole.
  void ExpectTrue(const Salvaged& salvaged) {
    for (const auto& [path, entry] : salvaged.entries) {
      const auto sound = entries_->find(path);
      ASSERT_NE(sound, entries_->end()) << path;
      const auto damage = salvaged.damaged.find(path);
      EXPECT_EQ(entry.info.bytes, sound->second.info.bytes) << path;
      EXPECT_EQ(entry.info.link_target, sound->second.info.link_target) << path;
      EXPECT_EQ(entry.info.type, sound->second.info.type) << path;
      if (damage == salvaged.damaged.end() || !damage->second.header_in_doubt) {
        EXPECT_TRUE(static_cast<const EntryInfo&>(entry.info) == sound->second.info) << path;
        EXPECT_EQ(entry.info.attributes, sound->second.info.attributes) << path;
      }
      if (entry.info.bytes >= 64 * kMiB) continue;
      const std::string whole = sound->second.Content();
      uint64_t bytes = 0;
      for (const Piece& piece : entry.pieces) {
        EXPECT_TRUE(whole.compare(piece.offset, piece.bytes.size(), piece.bytes) == 0) << path;
        bytes += piece.bytes.size();
      }
      if (damage == salvaged.damaged.end() || damage->second.lost_bytes == 0) {
        EXPECT_TRUE(entry.Content() == whole) << path;
      } else if (!entry.info.sparse) {
        EXPECT_EQ(bytes + damage->second.lost_bytes, entry.info.bytes) << path;
      }
    }
  }
  // Every entry whose members all lie in none of the gaps is there, and whole.
  void ExpectComplete(const Salvaged& salvaged, uint64_t archive_bytes = UINT64_MAX) {
    for (const auto& [path, entry] : *entries_) {
      bool touched = false;
      for (const MemberExtent& member : sound_->members) {
        if (member.tar_offset >= entry.place.end_offset() ||
            member.tar_offset + member.tar_bytes <= entry.place.tar_offset) {
          continue;
        }
        touched = touched || member.archive_offset + member.archive_bytes > archive_bytes;
        for (const SalvageGap& gap : salvaged.gaps) {
          touched = touched || (member.archive_offset < gap.archive_offset + gap.archive_bytes &&
                                gap.archive_offset < member.archive_offset + member.archive_bytes);
        }
      }
      if (touched) continue;
      EXPECT_TRUE(salvaged.entries.contains(path)) << path;
      const auto damage = salvaged.damaged.find(path);
      EXPECT_TRUE(damage == salvaged.damaged.end() || damage->second.lost_bytes == 0) << path;
    }
  }

  static inline TempDir* dir_ = nullptr;
  static inline std::map<ArchiveFormat, MemberArchive> archives_;
  static inline const MemberArchive* sound_ = nullptr;  // of the format under test
  static inline std::map<std::string, Entry>* entries_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Formats, SalvageReaderTest,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         kFormatTestName);

TEST_P(SalvageReaderTest, GivesAllOfAnArchiveThatIsSound) {
  for (const bool with_index : {false, true}) {
    const Salvaged salvaged = Read(sound_->bytes, with_index);
    EXPECT_EQ(salvaged.entries.size(), entries_->size());
    EXPECT_TRUE(salvaged.damaged.empty());
    EXPECT_TRUE(salvaged.gaps.empty());
    EXPECT_TRUE(salvaged.saw_end);
    ExpectTrue(salvaged);
  }
}

TEST_P(SalvageReaderTest, GivesAllThatHolesLeaveOver) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 16; ++round) {
    std::string bytes = sound_->bytes;
    for (int hole = 0; hole <= round % 3; ++hole) {
      const uint64_t hole_bytes = round % 5 == 0 ? 3 * kMiB : 4 * kKiB << (random() % 8);
      const uint64_t begin = random() % (bytes.size() - hole_bytes);
      bytes.replace(begin, hole_bytes, hole_bytes, '\0');
    }
    for (const bool with_index : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "round " << round << " index " << with_index);
      const Salvaged salvaged = Read(bytes, with_index);
      EXPECT_FALSE(salvaged.gaps.empty());
      ExpectTrue(salvaged);
      ExpectComplete(salvaged);
    }
  }
}

TEST_P(SalvageReaderTest, GivesWhatLiesBeforeACutTail) {
  for (const size_t part : {3, 2}) {
    const uint64_t cut = sound_->bytes.size() / part;
    const Salvaged salvaged = Read(sound_->bytes.substr(0, cut), false);
    EXPECT_FALSE(salvaged.saw_end);
    EXPECT_GT(salvaged.entries.size(), 5u);
    ExpectTrue(salvaged);
    ExpectComplete(salvaged, cut);
  }
}

TEST_P(SalvageReaderTest, SaysThatTheEndIsMissingWhereItIsCutBetweenMembers) {
  const uint64_t cut = sound_->members[sound_->members.size() / 2].archive_offset;
  const Salvaged salvaged = Read(sound_->bytes.substr(0, cut), false);
  EXPECT_TRUE(salvaged.gaps.empty());
  EXPECT_FALSE(salvaged.saw_end);
  ExpectTrue(salvaged);
}

TEST_P(SalvageReaderTest, GoesOnBehindItsFirstBytes) {
  std::string bytes = sound_->bytes;
  const Salvaged overwritten = Read(std::string(100, 'x') + bytes.substr(100), true);
  ExpectTrue(overwritten);
  ExpectComplete(overwritten);
  const Salvaged gone = Read(bytes.substr(100), false);
  EXPECT_GT(gone.entries.size(), 5u);
  EXPECT_TRUE(gone.saw_end);
  ExpectTrue(gone);
}

TEST_P(SalvageReaderTest, KeepsWhatFollowsAHoleInAFileInItsPlace) {
  // A member that lies inside of a file, with others of it behind.
  const auto member =
      std::find_if(sound_->members.begin(), sound_->members.end(), [&](const MemberExtent& m) {
        return std::any_of(entries_->begin(), entries_->end(), [&](const auto& item) {
          const EntryPlace& place = item.second.place;
          return !item.second.info.sparse && place.data_offset() < m.tar_offset &&
                 m.tar_offset + m.tar_bytes < place.data_offset() + place.stored_bytes;
        });
      });
  ASSERT_NE(member, sound_->members.end());
  std::string bytes = sound_->bytes;
  bytes[member->archive_offset + member->archive_bytes / 2] ^= 1;
  const Salvaged salvaged = Read(bytes, false);
  ASSERT_EQ(salvaged.damaged.size(), 1u);
  EXPECT_EQ(salvaged.damaged.begin()->second.lost_bytes, member->tar_bytes);
  EXPECT_EQ(salvaged.entries.size(), entries_->size());
  EXPECT_TRUE(salvaged.saw_end);
  ExpectTrue(salvaged);
}

TEST_P(SalvageReaderTest, ADamagedIndexCostsNoEntry) {
  std::string index = IndexMemberOf("VI", RandomBytes(1, 500), GetParam());
  index[2] ^= 1;
  const Salvaged salvaged = Read(sound_->bytes + index, false);
  EXPECT_EQ(salvaged.gaps.size(), 1u);
  EXPECT_TRUE(salvaged.saw_end);
  EXPECT_EQ(salvaged.entries.size(), entries_->size());
  EXPECT_TRUE(salvaged.damaged.empty());
}

TEST_P(SalvageReaderTest, EndsWithTheStoragesErrorWhereThatFails) {
  FakeStorage storage;
  storage.Set("a", sound_->bytes);
  storage.on_read_at = [](uint64_t offset, size_t) {
    return offset > 6 * kMiB ? absl::UnavailableError("no answer") : absl::OkStatus();
  };
  const std::unique_ptr<ArchiveFile> file = *ArchiveFile::Open(&storage, "a");
  SalvageInput input(file.get(), GetParam());
  SalvageReader reader(&input, {});
  absl::StatusOr<const RestoreEntry*> entry = reader.Next();
  while (entry.ok() && *entry != nullptr) entry = reader.Next();
  EXPECT_EQ(entry.status(), absl::UnavailableError("no answer"));
}

}  // namespace
}  // namespace volstream
