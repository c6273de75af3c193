// ForeignTarReader: entries, content and its memory, damage. What other programs write is read in
// restore_test and readers_test.
#include "stages/foreign_tar_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stages/digest.h"
#include "stages/gzip_codec.h"
#include "stages/tar_header.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

// Hands bytes out in chunks, and then an error, if there is one.
class Chunks : public TarInput {
 public:
  Chunks(std::string bytes, size_t chunk_bytes, absl::Status status = absl::OkStatus())
      : chunk_bytes_(chunk_bytes), status_(std::move(status)) {
    for (size_t at = 0; at < bytes.size(); at += chunk_bytes_) {
      chunks.push_back(std::make_shared<const std::string>(bytes.substr(at, chunk_bytes_)));
    }
  }
  absl::StatusOr<SharedBytes> Next() override {
    if (next_ < chunks.size()) {
      const auto& chunk = chunks[next_++];
      return SharedBytes{AsBytes(*chunk), chunk};
    }
    if (!status_.ok()) return status_;
    return SharedBytes();
  }
  void Cancel() override {}

  std::vector<std::shared_ptr<const std::string>> chunks;

 private:
  const size_t chunk_bytes_;
  const absl::Status status_;
  size_t next_ = 0;
};

std::string Padded(std::string bytes) {
  bytes.resize(TarPadded(bytes.size()));
  return bytes;
}

std::string FileIn(const std::string& path, const std::string& contents,
                   const std::string& pax_records = "") {
  TarEntry entry;
  entry.path = path;
  entry.mode = 0640;
  entry.uid = 1;
  entry.gid = 2;
  entry.user_name = "alice";
  entry.bytes = contents.size();
  entry.mtime_seconds = 1'600'000'000;
  entry.pax_records = pax_records;
  return TarHeaderOf(entry) + Padded(contents);
}

std::string Gzip(const std::string& bytes) {
  absl::StatusOr<std::unique_ptr<GzipCodec>> codec = GzipCodec::Create(1);
  EXPECT_TRUE(codec.ok());
  std::string member((*codec)->Bound(bytes.size()), '\0');
  const absl::StatusOr<EncodedBlock> encoded = (*codec)->Encode(
      AsBytes(bytes), MutableByteSpan(reinterpret_cast<uint8_t*>(member.data()), member.size()));
  EXPECT_TRUE(encoded.ok()) << encoded.status();
  member.resize(encoded.ok() ? encoded->bytes : 0);
  return member;
}

const std::string& EndMark() {
  static const std::string mark(kTarEndBytes, '\0');
  return mark;
}

// All that is left of an archive, or how reading it ended.
struct Contents {
  std::vector<RestoreEntry> entries;
  std::vector<std::string> texts;
  absl::Status status;
};

Contents ReadAll(TarInput* input) {
  Contents contents;
  const std::unique_ptr<ForeignTarReader> reader = ForeignTarReader::Make(input, nullptr);
  while (true) {
    const absl::StatusOr<const RestoreEntry*> entry = reader->Next();
    contents.status = entry.status();
    if (!entry.ok() || *entry == nullptr) return contents;
    contents.entries.push_back(**entry);
    std::string text;
    while (true) {
      const absl::StatusOr<EntryData> data = reader->NextData();
      contents.status = data.status();
      if (!data.ok()) return contents;
      if (data->content.bytes.empty()) break;
      EXPECT_NE(data->content.owner, nullptr);
      text.resize(data->offset);
      text.append(data->content.bytes.begin(), data->content.bytes.end());
    }
    contents.texts.push_back(std::move(text));
  }
}

TEST(ForeignTarReader, GivesEntriesAndContentOfChunksOfAnyLength) {
  std::string records;
  AppendPaxRecord("SCHILY.xattr.user.a%3Db%25", std::string("v\0", 2), &records);
  AppendPaxRecord("SCHILY.acl.access", "user::rw-,user:7:r--,group::r--,mask::r--,other::---",
                  &records);
  const std::string large = RandomBytes(1, 700'000);
  const std::string tar =
      FileIn("./a", "contents", records) + FileIn("./large", large) + FileIn("./c", "") + EndMark();
  for (const bool gzip : {false, true}) {
    for (const size_t chunk_bytes : {size_t{77}, size_t{512}, size_t{100'000}, size_t{1} << 30}) {
      Chunks input(gzip ? Gzip(tar) : tar, chunk_bytes);
      const Contents contents = ReadAll(&input);
      ASSERT_TRUE(contents.status.ok()) << contents.status;
      ASSERT_EQ(contents.entries.size(), 3u);
      const RestoreEntry& entry = contents.entries[0];
      EXPECT_EQ(entry.path, "a");
      EXPECT_EQ(entry.mode, 0640u);
      EXPECT_EQ(entry.uid, 1u);
      EXPECT_EQ(entry.gid, 2u);
      EXPECT_EQ(entry.user_name, "alice");
      EXPECT_EQ(entry.bytes, 8u);
      EXPECT_EQ(entry.mtime_seconds, 1'600'000'000);
      ASSERT_EQ(entry.attributes.size(), 1u);
      EXPECT_EQ(entry.attributes[0].first, "user.a=b%");
      EXPECT_EQ(entry.attributes[0].second, std::string("v\0", 2));
      EXPECT_NE(entry.access_acl.find("user:7:r--"), std::string::npos) << entry.access_acl;
      EXPECT_EQ(contents.texts[0], "contents");
      EXPECT_TRUE(contents.texts[1] == large);
      EXPECT_EQ(contents.texts[2], "");
    }
  }
}

TEST(ForeignTarReader, ContentOfAPlainTarIsNotCopied) {
  const std::string large = RandomBytes(1, kMiB);
  Chunks input(FileIn("a", large) + EndMark(), 64 * kKiB);
  const std::unique_ptr<ForeignTarReader> reader = ForeignTarReader::Make(&input, nullptr);
  ASSERT_TRUE(reader->Next().ok());
  uint64_t shared_bytes = 0;
  std::vector<EntryData> kept;
  while (true) {
    const absl::StatusOr<EntryData> data = reader->NextData();
    ASSERT_TRUE(data.ok()) << data.status();
    if (data->content.bytes.empty()) break;
    kept.push_back(*data);
    for (const auto& chunk : input.chunks) {
      if (chunk.get() == data->content.owner.get()) shared_bytes += data->content.bytes.size();
    }
  }
  EXPECT_GE(shared_bytes, large.size() / 2);
  // What was given first is still what it was.
  for (const EntryData& data : kept) {
    ASSERT_TRUE(std::equal(data.content.bytes.begin(), data.content.bytes.end(),
                           AsBytes(large).begin() + static_cast<ptrdiff_t>(data.offset)));
  }
}

TEST(ForeignTarReader, GzipWithoutEndMarkIsCutOff) {
  Chunks input(Gzip(FileIn("a", "x")), 1000);
  const Contents contents = ReadAll(&input);
  EXPECT_TRUE(absl::IsDataLoss(contents.status)) << contents.status;
  EXPECT_NE(contents.status.message().find("cut off"), absl::string_view::npos) << contents.status;
}

TEST(ForeignTarReader, AnythingElseIsDataLoss) {
  std::string flipped = Gzip(FileIn("a", RandomBytes(1, 5000)) + EndMark());
  flipped[flipped.size() / 2] ^= 1;
  for (const std::string& bytes :
       {std::string(), std::string("no archive at all"), std::string(5000, 'x'), flipped,
        FileIn("a", std::string(5000, 'x')).substr(0, 3000), EndMark(), Gzip("")}) {
    Chunks input(bytes, 1000);
    const Contents contents = ReadAll(&input);
    EXPECT_TRUE(absl::IsDataLoss(contents.status)) << bytes.size() << ": " << contents.status;
  }
}

TEST(ForeignTarReader, AGzippedEndMarkAloneIsAnEmptyTar) {
  Chunks input(Gzip(EndMark()), 10);
  const Contents contents = ReadAll(&input);
  EXPECT_TRUE(contents.status.ok()) << contents.status;
  EXPECT_TRUE(contents.entries.empty());
}

TEST(ForeignTarReader, TheInputsOwnErrorIsHandedOn) {
  const std::string tar = FileIn("a", RandomBytes(1, 5000)) + EndMark();
  for (const std::string& bytes : {tar, Gzip(tar)}) {
    for (const size_t length : {size_t{0}, size_t{1000}, size_t{3000}, bytes.size()}) {
      Chunks input(bytes.substr(0, length), 600, absl::UnavailableError("connection lost"));
      const Contents contents = ReadAll(&input);
      EXPECT_TRUE(absl::IsUnavailable(contents.status)) << length << ": " << contents.status;
    }
  }
}

}  // namespace
}  // namespace volstream
