// The pieces of an index over any bytes: footer, directory, pages of entries and of members. What
// is accepted is in order, within the footer's bounds, and comes back through the writer.
//
// The first byte of an input says which piece it is.
#include <xxhash.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "engine/check.h"
#include "stages/digest.h"
#include "stages/index_blob.h"
#include "stages/index_directory.h"
#include "stages/index_page.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

constexpr uint64_t kMaxTar = uint64_t{1} << 62;

std::string StringOf(ByteSpan bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Behind the archive's size. No mutation finds a hash by chance, so it may be put right.
void FuzzFooter(ByteSpan data, bool with_hash) {
  if (data.size() < 8) return;
  const uint64_t archive_bytes = GetLittleEndian<uint64_t>(data.data());
  std::vector<uint8_t> tail(data.begin() + 8, data.end());
  if (with_hash && tail.size() == kMaxFooterBytes) {
    const size_t hashed = kFooterDataBytes - sizeof(uint64_t);
    PutLittleEndian<uint64_t>(XXH3_64bits(&tail[16], hashed), &tail[16 + hashed]);
  }
  const absl::StatusOr<IndexFooter> footer = DecodeIndexFooter(tail, archive_bytes);
  if (!footer.ok()) return;
  VS_CHECK(footer->index_offset <= archive_bytes);
  VS_CHECK(footer->index_bytes <= archive_bytes - footer->index_offset);
  VS_CHECK(footer->directory_offset >= footer->index_offset);
}

// Behind a footer's numbers.
void FuzzDirectory(ByteSpan data) {
  constexpr size_t kNumbers = 5;
  if (data.size() < kNumbers * 8) return;
  IndexFooter footer;
  footer.index_bytes = GetLittleEndian<uint64_t>(&data[0]) % kMaxTar;
  footer.index_offset = GetLittleEndian<uint64_t>(&data[8]) % kMaxTar;
  footer.tar_bytes = GetLittleEndian<uint64_t>(&data[16]) % kMaxTar;
  footer.directory_offset = footer.index_offset + footer.index_bytes;
  footer.entry_count = GetLittleEndian<uint64_t>(&data[24]);
  footer.member_count = GetLittleEndian<uint64_t>(&data[32]);
  const std::vector<uint8_t> raw(data.begin() + kNumbers * 8, data.end());
  const absl::StatusOr<IndexDirectory> directory = IndexDirectory::Decode(raw, footer);
  if (!directory.ok()) return;
  uint64_t entries = 0;
  for (const auto& page : directory->entry_pages) entries += page.count;
  VS_CHECK(entries == footer.entry_count);
  const std::string again = directory->Encode();
  const absl::StatusOr<IndexDirectory> decoded = IndexDirectory::Decode(AsBytes(again), footer);
  VS_CHECK(decoded.ok());
  VS_CHECK(decoded->Encode() == again);
}

absl::StatusOr<std::vector<IndexedEntry>> ReadPage(std::string page, uint64_t count) {
  absl::StatusOr<EntryPageReader> reader = EntryPageReader::Make(std::move(page), 512, count);
  if (!reader.ok()) return reader.status();
  std::vector<IndexedEntry> entries;
  while (reader->left() > 0) {
    const absl::StatusOr<const IndexedEntry*> entry = reader->Next();
    if (!entry.ok()) return entry.status();
    entries.push_back(**entry);
  }
  const absl::Status end = reader->Finish();
  if (!end.ok()) return end;
  return entries;
}

// Behind the number of entries.
void FuzzEntryPage(ByteSpan data) {
  if (data.size() < 2) return;
  const uint64_t count = GetLittleEndian<uint16_t>(data.data());
  const absl::StatusOr<std::vector<IndexedEntry>> entries =
      ReadPage(StringOf(data.subspan(2)), count);
  if (!entries.ok()) return;
  VS_CHECK(entries->size() == count);
  uint64_t end = 512;
  EntryPageBuilder builder;
  for (const IndexedEntry& entry : *entries) {
    VS_CHECK(entry.place.tar_offset >= end);
    VS_CHECK(entry.place.end_offset() >= entry.place.tar_offset);
    end = entry.place.end_offset();
    if (!builder.full()) builder.Add(entry);
  }
  if (builder.count() != count) return;
  const absl::StatusOr<std::vector<IndexedEntry>> again = ReadPage(builder.Take(), count);
  VS_CHECK(again.ok());
  for (size_t i = 0; i < count; ++i) {
    const IndexedEntry& a = (*entries)[i];
    const IndexedEntry& b = (*again)[i];
    VS_CHECK(static_cast<const EntryInfo&>(a) == static_cast<const EntryInfo&>(b));
    VS_CHECK(a.place == b.place && a.sparse == b.sparse);
  }
}

void FuzzMemberPage(ByteSpan data) {
  if (data.size() < 2) return;
  const uint64_t count = GetLittleEndian<uint16_t>(data.data());
  const std::vector<uint8_t> page(data.begin() + 2, data.end());
  const absl::StatusOr<std::vector<MemberExtent>> members =
      ParseMemberPage(page, count, 100, 200, kMaxTar, kMaxTar);
  if (!members.ok()) return;
  VS_CHECK(members->size() == count);
  uint64_t archive_end = 100;
  uint64_t tar_end = 200;
  for (const MemberExtent& member : *members) {
    VS_CHECK(member.archive_offset == archive_end);
    VS_CHECK(member.tar_offset == tar_end);
    archive_end += member.archive_bytes;
    tar_end += member.tar_bytes;
    VS_CHECK(archive_end <= kMaxTar && tar_end <= kMaxTar);
  }
}

// What members carry, one after another, if they are such.
std::vector<uint8_t> PayloadOf(ByteSpan members) {
  std::vector<uint8_t> payload;
  while (members.size() >= kGzipPieceOverheadBytes) {
    const size_t bytes = GetLittleEndian<uint16_t>(&members[14]);
    if (members.size() < kGzipPieceOverheadBytes + bytes) break;
    payload.insert(payload.end(), members.begin() + 16,
                   members.begin() + 16 + static_cast<ptrdiff_t>(bytes));
    members = members.subspan(kGzipPieceOverheadBytes + bytes);
  }
  return payload;
}

// Behind the hash of what the members carry, which may be put right.
void FuzzBlob(ByteSpan data, bool with_hash) {
  if (data.size() < 8) return;
  const std::vector<uint8_t> members(data.begin() + 8, data.end());
  const std::vector<uint8_t> payload = PayloadOf(members);
  const uint64_t hash = with_hash ? XXH3_64bits(payload.data(), payload.size())
                                  : GetLittleEndian<uint64_t>(data.data());
  const absl::StatusOr<std::string> raw = DecodeIndexBlob(members, hash);
  if (raw.ok()) VS_CHECK(raw->size() <= kMaxBlobBytes);
}

}  // namespace
}  // namespace volstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const volstream::ByteSpan rest(data + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
    case 5:
      volstream::FuzzFooter(rest, data[0] % 7 == 5);
      break;
    case 1:
      volstream::FuzzDirectory(rest);
      break;
    case 2:
      volstream::FuzzEntryPage(rest);
      break;
    case 3:
      volstream::FuzzMemberPage(rest);
      break;
    default:
      volstream::FuzzBlob(rest, data[0] % 7 == 6);
  }
  return 0;
}
