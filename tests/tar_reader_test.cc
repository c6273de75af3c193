// TarReader over tars of volstream's own kind: fields, places and contents come back whatever the
// chunks, and a tar that is cut or damaged is an error. tar_parser_test has the other dialects.
#include "stages/tar_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "stages/sparse_map.h"
#include "stages/tar_parser.h"
#include "tests/support/raw_tar.h"
#include "tests/support/tar_entries.h"
#include "tests/support/tar_sweep.h"

namespace volstream {
namespace {

// A tar with something of everything, and where its entries lie.
struct Sample {
  std::string tar;
  std::vector<EntryPlace> places;

  void Add(const TarEntry& entry, std::string_view data) {
    const std::string header = TarHeaderOf(entry);
    places.push_back(EntryPlace{tar.size(), header.size(), data.size()});
    tar += header + PaddedData(data);
  }
};

// A file's stored bytes: the map and the segments, each of its own letter.
std::string StoredBytes(const SparseMap& map) {
  std::string stored = map.text;
  char letter = 'a';
  for (const SparseMap::Segment& segment : map.segments)
    stored += std::string(segment.bytes, letter++);
  return stored;
}

TarEntry SparseEntry(std::string_view path, const SparseMap& map) {
  TarEntry entry;
  entry.path = path;
  entry.bytes = map.stored_bytes;
  entry.sparse = true;
  entry.sparse_file_bytes = map.file_bytes;
  return entry;
}

Sample MakeSample() {
  Sample sample;
  TarEntry root;
  root.type = TarType::kDirectory;
  root.path = "./";
  sample.Add(root, "");
  const std::string long_path = "./" + std::string(300, 'l') + "/" + std::string(200, 'm');
  for (const size_t bytes : {0, 1, 511, 512, 513, 70'000}) {
    TarEntry file;
    const std::string path = "./file" + std::to_string(bytes);
    file.path = bytes == 513 ? std::string_view(long_path) : std::string_view(path);
    file.bytes = bytes;
    file.mtime_seconds = -5;
    file.mtime_nanoseconds = bytes == 1 ? 250'000'000 : 0;
    sample.Add(file, std::string(bytes, 'x'));
  }
  TarEntry link;
  link.type = TarType::kHardLink;
  link.path = "./link";
  link.link_target = "./file512";
  sample.Add(link, "");
  const SparseMap map =
      SparseMap::From({{0, 1024, 0}, {102'400, 512, 0}, {999'936, 64, 0}}, 1'000'000);
  sample.Add(SparseEntry("./holes", map), StoredBytes(map));
  const SparseMap nothing = SparseMap::From({}, 5'000'000);
  sample.Add(SparseEntry("./nothing", nothing), StoredBytes(nothing));
  TarEntry last;
  last.path = "./zz";
  last.bytes = 3;
  sample.Add(last, "end");
  return sample;
}

TEST(TarReader, GivesTheFieldsOfTheSweepBack) {
  TarSweep sweep(3);
  OwnedEntry owned;
  for (int i = 0; i < 20'000; ++i) {
    sweep.Next(&owned);
    const TarEntry& entry = owned.entry;
    const std::string header = TarHeaderOf(entry);
    // The data are missing, as some would be of 8 EiB.
    const FoundTar found = FindEntries(header, {.with_content = false});
    ASSERT_EQ(found.entries.size(), 1u) << found.status << " " << owned.path;
    const RestoreEntry& back = found.entries[0].entry;
    EXPECT_EQ(back.type, entry.type);
    EXPECT_EQ(back.path, EntryPathOf(owned.path));
    EXPECT_EQ(back.link_target, entry.type == TarType::kHardLink
                                    ? std::string(EntryPathOf(owned.link_target))
                                    : owned.link_target);
    EXPECT_EQ(back.mode, entry.mode);
    EXPECT_EQ(back.uid, entry.uid);
    EXPECT_EQ(back.gid, entry.gid);
    EXPECT_EQ(back.user_name, owned.user_name);
    EXPECT_EQ(back.group_name, owned.group_name);
    EXPECT_EQ(back.bytes, entry.sparse ? entry.sparse_file_bytes : entry.bytes);
    EXPECT_EQ(back.sparse, entry.sparse);
    EXPECT_EQ(back.mtime_seconds, entry.mtime_seconds);
    EXPECT_EQ(back.mtime_nanoseconds, entry.mtime_nanoseconds);
    EXPECT_EQ(back.device_major, entry.device_major);
    EXPECT_EQ(back.device_minor, entry.device_minor);
    std::string records;
    for (const auto& [name, value] : back.attributes) {
      AppendPaxRecord("SCHILY.xattr." + name, value, &records);
    }
    EXPECT_EQ(records, owned.pax_records);
    EXPECT_EQ(found.entries[0].place, (EntryPlace{0, header.size(), entry.bytes}));
    EXPECT_EQ(found.entries[0].odd, "");
    ASSERT_FALSE(HasFailure()) << i << ": " << owned.path;
  }
}

TEST(TarReader, TellsWhereEntriesLie) {
  const Sample sample = MakeSample();
  const FoundTar found = FindEntries(sample.tar + TarEnd());
  ASSERT_TRUE(found.status.ok()) << found.status;
  ASSERT_EQ(found.entries.size(), sample.places.size());
  for (size_t i = 0; i < sample.places.size(); ++i) {
    EXPECT_EQ(found.entries[i].place, sample.places[i]) << i;
  }
  EXPECT_EQ(found.entries.back().place.end_offset(), sample.tar.size());
}

TEST(TarReader, FindsTheSameInChunksOfAnyLength) {
  const std::string tar = MakeSample().tar + TarEnd();
  const std::vector<std::string> expected =
      TextsOf(FindEntries(tar, {.chunk_bytes = kMiB}).entries);
  for (const size_t chunk_bytes : {1, 7, 511, 512, 513, 4096}) {
    const FoundTar found = FindEntries(tar, {.chunk_bytes = chunk_bytes});
    EXPECT_TRUE(found.status.ok()) << found.status;
    EXPECT_EQ(TextsOf(found.entries), expected) << chunk_bytes;
  }
}

TEST(TarReader, GivesContentsWithTheirOffsets) {
  const FoundTar found = FindEntries(MakeSample().tar + TarEnd());
  ASSERT_EQ(found.entries.size(), 11u);
  EXPECT_TRUE(found.entries[1].content.empty());
  EXPECT_EQ(found.entries[6].content[0].second, std::string(70'000, 'x'));
  const FoundEntry& holes = found.entries[8];
  EXPECT_EQ(holes.entry.bytes, 1'000'000u);
  ASSERT_EQ(holes.content.size(), 3u);
  EXPECT_EQ(holes.content[0], std::make_pair(uint64_t{0}, std::string(1024, 'a')));
  EXPECT_EQ(holes.content[1], std::make_pair(uint64_t{102'400}, std::string(512, 'b')));
  EXPECT_EQ(holes.content[2], std::make_pair(uint64_t{999'936}, std::string(64, 'c')));
  EXPECT_TRUE(found.entries[9].content.empty());
  EXPECT_EQ(found.entries[9].entry.bytes, 5'000'000u);
}

TEST(TarReader, HandsOnTheInputsOwnBytes) {
  const std::string tar = FileEntry("a", std::string(3000, 'x')) + TarEnd();
  struct WholeInput : TarInput {
    absl::StatusOr<SharedBytes> Next() override { return std::exchange(bytes, SharedBytes()); }
    void Cancel() override {}
    SharedBytes bytes;
  } input;
  const auto owner = std::make_shared<std::string>(tar);
  const auto* const data = reinterpret_cast<const uint8_t*>(owner->data());
  input.bytes = SharedBytes{ByteSpan(data, owner->size()), owner};
  const std::unique_ptr<TarReader> reader = TarReader::Make(&input);
  ASSERT_TRUE(reader->Next().ok());
  const absl::StatusOr<EntryData> piece = reader->NextData();
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(piece->content.bytes.data(), data + 512);
  EXPECT_EQ(piece->content.bytes.size(), 3000u);
  EXPECT_EQ(piece->content.owner, owner);
}

// An input may have few buffers: while it is asked for the next bytes, no other are held.
TEST(TarReader, LetsGoOfAChunkBeforeItAsksForTheNext) {
  struct OneChunkInput : CutInput {
    using CutInput::CutInput;
    absl::StatusOr<SharedBytes> Next() override {
      EXPECT_TRUE(last.expired());
      absl::StatusOr<SharedBytes> bytes = CutInput::Next();
      last = bytes->owner;
      return bytes;
    }
    std::weak_ptr<const void> last;
  };
  const std::string tar = MakeSample().tar + TarEnd();
  OneChunkInput input(tar, 300);
  const std::unique_ptr<TarReader> reader = TarReader::Make(&input);
  int entries = 0;
  while (*reader->Next() != nullptr) {
    ++entries;
    while (!reader->NextData()->content.bytes.empty()) continue;
  }
  EXPECT_EQ(entries, 11);
}

TEST(TarReader, PassesOverContentsThatNobodyReads) {
  const std::string tar = MakeSample().tar + TarEnd();
  std::vector<FoundEntry> with = FindEntries(tar).entries;
  for (FoundEntry& found : with) found.content.clear();
  const FoundTar without = FindEntries(tar, {.chunk_bytes = 7, .with_content = false});
  EXPECT_TRUE(without.status.ok()) << without.status;
  EXPECT_EQ(TextsOf(without.entries), TextsOf(with));
}

TEST(TarReader, GoesOnAfterAContentThatWasReadInPart) {
  const std::string tar =
      FileEntry("a", std::string(3000, 'x')) + FileEntry("b", "data") + TarEnd();
  CutInput input(tar, 700);
  const std::unique_ptr<TarReader> reader = TarReader::Make(&input);
  ASSERT_TRUE(reader->Next().ok());
  ASSERT_TRUE(reader->NextData().ok());
  const absl::StatusOr<const RestoreEntry*> next = reader->Next();
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ((*next)->path, "b");
  EXPECT_EQ(reader->NextData()->content.bytes.size(), 4u);
  EXPECT_TRUE(reader->NextData()->content.bytes.empty());
  EXPECT_EQ(*reader->Next(), nullptr);
  EXPECT_EQ(*reader->Next(), nullptr);
  EXPECT_TRUE(reader->NextData()->content.bytes.empty());
}

TEST(TarReader, RefusesATarCutAnywhere) {
  const std::string tar = MakeSample().tar + TarEnd();
  for (size_t bytes = 0; bytes < tar.size(); bytes += bytes % 512 == 0 ? 201 : 311) {
    for (const bool with_content : {true, false}) {
      const FoundTar found =
          FindEntries(std::string_view(tar).substr(0, bytes), {.with_content = with_content});
      EXPECT_TRUE(absl::IsDataLoss(found.status)) << bytes << ": " << found.status;
      EXPECT_NE(found.status.message().find(absl::StrFormat("byte %d", bytes)),
                absl::string_view::npos)
          << found.status;
    }
  }
}

TEST(TarReader, TakesAnEndMarkAloneForAnEmptyTar) {
  const FoundTar found = FindEntries(TarEnd());
  EXPECT_TRUE(found.status.ok()) << found.status;
  EXPECT_TRUE(found.entries.empty());
}

TEST(TarReader, ReadsZerosBehindTheEndMarkAndNothingElse) {
  const std::string tar = FileEntry("a", "data") + TarEnd();
  for (const size_t zeros : {1, 512, 9000}) {
    EXPECT_TRUE(FindEntries(tar + std::string(zeros, '\0')).status.ok()) << zeros;
  }
  const FoundTar found = FindEntries(tar + std::string(700, '\0') + "x");
  EXPECT_TRUE(absl::IsDataLoss(found.status)) << found.status;
  EXPECT_NE(found.status.message().find("byte 2748"), absl::string_view::npos) << found.status;
  EXPECT_TRUE(absl::IsDataLoss(FindEntries(tar + FileEntry("b", "") + TarEnd()).status));
}

TEST(TarReader, ReadsTheInputToItsEndSoThatItsChecksRun) {
  const std::string tar = FileEntry("a", "data") + TarEnd();
  const absl::Status failure = absl::UnavailableError("the storage is gone");
  CutInput input(tar, 512, failure);
  const std::unique_ptr<TarReader> reader = TarReader::Make(&input);
  ASSERT_TRUE(reader->Next().ok());
  EXPECT_EQ(reader->Next().status(), failure);
  EXPECT_EQ(reader->Next().status(), failure);
}

TEST(TarReader, HandsOnWhatTheInputSays) {
  const std::string tar = FileEntry("a", std::string(5000, 'x')) + TarEnd();
  const absl::Status failure = absl::UnavailableError("the storage is gone");
  for (const size_t bytes : {0, 100, 512, 2000}) {
    CutInput input(std::string_view(tar).substr(0, bytes), 512, failure);
    const std::unique_ptr<TarReader> reader = TarReader::Make(&input);
    absl::Status status = reader->Next().status();
    while (status.ok()) status = reader->NextData().status();
    EXPECT_EQ(status, failure) << bytes;
  }
}

TEST(TarReader, ReadsAFragmentToItsEnd) {
  const Sample sample = MakeSample();
  for (size_t i = 0; i < sample.places.size(); ++i) {
    const EntryPlace& place = sample.places[i];
    const std::string_view rest = std::string_view(sample.tar).substr(place.tar_offset);
    const FoundTar found = FindEntries(rest, {.tar_offset = place.tar_offset, .fragment = true});
    EXPECT_TRUE(found.status.ok()) << found.status;
    ASSERT_EQ(found.entries.size(), sample.places.size() - i);
    EXPECT_EQ(found.entries[0].place, place);
  }
  for (const size_t zeros : {0, 512, 1024}) {
    const std::string tar = FileEntry("a", "data") + std::string(zeros, '\0');
    EXPECT_TRUE(FindEntries(tar, {.fragment = true}).status.ok()) << zeros;
  }
  EXPECT_TRUE(FindEntries("", {.fragment = true}).status.ok());
}

TEST(TarReader, RefusesAFragmentThatEndsInAnEntry) {
  const std::string tar =
      PaxHeader(PaxRecord("path", "long")) + FileEntry("a", std::string(600, 'x'));
  for (size_t bytes = 1; bytes < tar.size(); ++bytes) {
    const FoundTar found = FindEntries(std::string_view(tar).substr(0, bytes), {.fragment = true});
    EXPECT_TRUE(absl::IsDataLoss(found.status)) << bytes << ": " << found.status;
  }
}

TEST(TarReader, NamesTheByteOfTheTarWhereADamageLies) {
  const FoundTar found =
      FindEntries(FileEntry("a", "data") + std::string(512, 'x'), {.tar_offset = 5120});
  EXPECT_TRUE(absl::IsDataLoss(found.status));
  EXPECT_NE(found.status.message().find("byte 6144"), absl::string_view::npos) << found.status;
}

}  // namespace
}  // namespace volstream
