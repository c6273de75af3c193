// TarReader over any bytes in chunks of any length. Checks that places and pieces rise and stay
// within their bounds, that chunks make no difference, and that TarWatch finds the same entries.
//
// The last byte of an input says how it is cut and read; the bytes before it are the tar.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/check.h"
#include "stages/tar_fields.h"
#include "stages/tar_reader.h"
#include "stages/tar_watch.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace volstream {
namespace {

class FuzzInput : public TarInput {
 public:
  FuzzInput(ByteSpan tar, size_t chunk_bytes) : rest_(tar), chunk_bytes_(chunk_bytes) {}
  // A chunk has memory of just its size, which is gone with its last owner.
  absl::StatusOr<SharedBytes> Next() override {
    const size_t bytes = std::min(chunk_bytes_, rest_.size());
    if (bytes == 0) return SharedBytes();
    const auto copy = std::make_shared<std::vector<uint8_t>>(rest_.begin(), rest_.begin() + bytes);
    rest_ = rest_.subspan(bytes);
    return SharedBytes{ByteSpan(*copy), copy};
  }
  void Cancel() override {}

 private:
  ByteSpan rest_;
  const size_t chunk_bytes_;
};

struct Outcome {
  std::vector<std::string> entries;  // as TarWatch tells them
  std::string rest;                  // what else there is to compare
  absl::Status status;
};

std::string TextOf(const EntryInfo& entry, const EntryPlace& place, bool sparse) {
  return absl::StrCat(std::string(1, static_cast<char>(entry.type)), entry.path, "\n",
                      entry.link_target, "\n", entry.mode, " ", entry.uid, " ", entry.gid, " ",
                      entry.bytes, " ", entry.mtime_seconds, " ", entry.mtime_nanoseconds, " ",
                      place.tar_offset, " ", place.header_bytes, " ", place.stored_bytes, " ",
                      sparse);
}

// Reads the current entry's content, and checks where it lies.
absl::Status ReadContent(TarReader* reader, const RestoreEntry& entry, std::string* text) {
  uint64_t end = 0;
  uint64_t bytes = 0;
  while (true) {
    const absl::StatusOr<EntryData> data = reader->NextData();
    if (!data.ok()) return data.status();
    const ByteSpan content = data->content.bytes;
    if (content.empty()) break;
    VS_CHECK(data->offset >= end);
    const uint64_t last_end = end;
    VS_CHECK(entry.bytes >= content.size());
    VS_CHECK(data->offset <= entry.bytes - content.size());
    end = data->offset + content.size();
    // Pieces that touch are one, however they were cut.
    if (bytes == 0 || data->offset != last_end) absl::StrAppend(text, " ", data->offset, ":");
    text->append(reinterpret_cast<const char*>(content.data()), content.size());
    bytes += content.size();
  }
  VS_CHECK(bytes <= reader->place().stored_bytes);
  VS_CHECK(bytes == 0 || entry.type == TarType::kFile);
  if (entry.type == TarType::kFile && !entry.sparse && reader->odd().empty()) {
    VS_CHECK(bytes == entry.bytes);
  }
  return absl::OkStatus();
}

Outcome Read(ByteSpan tar, size_t chunk_bytes, bool fragment, bool with_content) {
  Outcome outcome;
  FuzzInput input(tar, chunk_bytes);
  const std::unique_ptr<TarReader> reader = TarReader::Make(&input, 0, fragment);
  uint64_t end = 0;
  while (outcome.status.ok()) {
    const absl::StatusOr<const RestoreEntry*> next = reader->Next();
    outcome.status = next.status();
    if (!next.ok() || *next == nullptr) break;
    const RestoreEntry& entry = **next;
    const EntryPlace place = reader->place();
    VS_CHECK(place.tar_offset >= end);
    VS_CHECK(place.tar_offset % kTarBlockBytes == 0);
    VS_CHECK(place.header_bytes > 0 && place.header_bytes % kTarBlockBytes == 0);
    VS_CHECK(place.data_offset() <= tar.size());
    VS_CHECK(place.end_offset() >= place.data_offset());
    VS_CHECK(entry.type == TarType::kFile || entry.bytes == 0);
    VS_CHECK(entry.mtime_nanoseconds < 1'000'000'000);
    end = place.end_offset();
    outcome.entries.push_back(TextOf(entry, place, entry.sparse));
    absl::StrAppend(&outcome.rest, reader->odd(), entry.user_name, ":", entry.group_name, " ",
                    entry.device_major, ",", entry.device_minor, entry.access_acl,
                    entry.default_acl);
    for (const auto& [name, value] : entry.attributes) {
      absl::StrAppend(&outcome.rest, name, "=", value);
    }
    if (with_content) outcome.status = ReadContent(reader.get(), entry, &outcome.rest);
  }
  if (!outcome.status.ok()) {
    VS_CHECK(absl::IsDataLoss(outcome.status) || absl::IsResourceExhausted(outcome.status));
    VS_CHECK(outcome.status.message().find("byte ") != absl::string_view::npos);
    VS_CHECK(reader->Next().status() == outcome.status);
    VS_CHECK(reader->NextData().status() == outcome.status);
  } else {
    VS_CHECK(fragment || end + kTarEndBytes <= tar.size());
    VS_CHECK(*reader->Next() == nullptr);
  }
  return outcome;
}

Outcome Watch(ByteSpan tar, size_t chunk_bytes) {
  Outcome outcome;
  TarWatch watch;
  watch.Visit([&](const EntryInfo& entry, const EntryPlace& place, bool sparse) {
    outcome.entries.push_back(TextOf(entry, place, sparse));
    return absl::OkStatus();
  });
  for (ByteSpan rest = tar; !rest.empty() && outcome.status.ok();) {
    const ByteSpan chunk = rest.first(std::min(chunk_bytes, rest.size()));
    outcome.status = watch.Feed(std::vector<uint8_t>(chunk.begin(), chunk.end()));
    rest = rest.subspan(chunk.size());
  }
  if (outcome.status.ok()) outcome.status = watch.Finish();
  return outcome;
}

void FuzzOne(ByteSpan data) {
  const uint8_t how = data.back();
  const ByteSpan tar = data.first(data.size() - 1);
  const bool fragment = (how & 1) != 0;
  // Single bytes for small inputs only, as each is an allocation.
  const size_t chunk_bytes = tar.size() < 4096 ? size_t{1} + how / 2 : size_t{100} + how * 8;

  const Outcome one = Read(tar, chunk_bytes, fragment, true);
  const Outcome other = Read(tar, tar.size() + 1, fragment, true);
  VS_CHECK(one.entries == other.entries);
  VS_CHECK(one.rest == other.rest);
  VS_CHECK(one.status == other.status);

  const Outcome passed = Read(tar, chunk_bytes, false, false);
  const Outcome watched = Watch(tar, chunk_bytes);
  VS_CHECK(passed.status.code() == watched.status.code());
  // A hard link as the last thing of a tar that is cut short waits for the block behind it.
  if (passed.status.ok()) VS_CHECK(passed.entries == watched.entries);
}

// Puts the checksums of what may be headers right: no mutation finds them by chance.
void FixChecksums(uint8_t* tar, size_t size) {
  for (size_t at = 0; at + kTarBlockBytes <= size; at += kTarBlockBytes) {
    uint8_t* const block = tar + at;
    if (std::memcmp(block + 257, "ustar", 5) != 0) continue;
    std::fill_n(block + 148, 8, uint8_t{' '});
    unsigned sum = 0;
    for (size_t i = 0; i < kTarBlockBytes; ++i) sum += block[i];
    const std::string digits = absl::StrFormat("%06o", sum);
    std::copy(digits.begin(), digits.end(), block + 148);
    block[154] = 0;
  }
}

}  // namespace
}  // namespace volstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) volstream::FuzzOne(volstream::ByteSpan(data, size));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 16 != 0) volstream::FixChecksums(data, size);
  return size;
}
