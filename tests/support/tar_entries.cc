#include "tests/support/tar_entries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "stages/digest.h"
#include "stages/tar_reader.h"

namespace volstream {
namespace {

void ReadContent(TarReader* reader, FoundEntry* found, absl::Status* status) {
  uint64_t end = 0;
  while (true) {
    const absl::StatusOr<EntryData> data = reader->NextData();
    if (!data.ok()) {
      *status = data.status();
      return;
    }
    const ByteSpan bytes = data->content.bytes;
    if (bytes.empty()) return;
    EXPECT_NE(data->content.owner, nullptr);
    EXPECT_GE(data->offset, end) << found->entry.path;
    end = data->offset + bytes.size();
    EXPECT_LE(end, found->entry.bytes) << found->entry.path;
    auto& content = found->content;
    if (content.empty() || content.back().first + content.back().second.size() != data->offset) {
      content.emplace_back(data->offset, "");
    }
    content.back().second.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

}  // namespace

absl::StatusOr<SharedBytes> CutInput::Next() {
  const size_t bytes = std::min(chunk_bytes_, rest_.size());
  if (bytes == 0) {
    if (!end_.ok()) return end_;
    return SharedBytes();
  }
  const std::shared_ptr<uint8_t[]> copy(new uint8_t[bytes]);
  std::copy_n(rest_.begin(), bytes, copy.get());
  rest_.remove_prefix(bytes);
  return SharedBytes{ByteSpan(copy.get(), bytes), copy};
}

FoundTar FindEntries(std::string_view tar, const TarReading& how) {
  FoundTar found;
  CutInput input(tar, how.chunk_bytes);
  const std::unique_ptr<TarReader> reader = TarReader::Make(&input, how.tar_offset, how.fragment);
  while (true) {
    const absl::StatusOr<const RestoreEntry*> entry = reader->Next();
    found.status = entry.status();
    if (!entry.ok() || *entry == nullptr) return found;
    FoundEntry& last = found.entries.emplace_back();
    last.entry = **entry;
    last.place = reader->place();
    last.odd = reader->odd();
    if (how.with_content) ReadContent(reader.get(), &last, &found.status);
    if (!found.status.ok()) return found;
  }
}

std::string TextOf(const FoundEntry& found) {
  const RestoreEntry& e = found.entry;
  std::string text =
      absl::StrCat(std::string(1, static_cast<char>(e.type)), " ", absl::CEscape(e.path), " -> ",
                   absl::CEscape(e.link_target), " ", absl::Hex(e.mode), " ", e.uid, ":", e.gid,
                   " ", e.user_name, ":", e.group_name, " ", e.bytes, " bytes at ", e.mtime_seconds,
                   "+", e.mtime_nanoseconds, " dev ", e.device_major, ",", e.device_minor);
  for (const auto& [name, value] : e.attributes) {
    absl::StrAppend(&text, " ", absl::CEscape(name), "=", absl::CEscape(value));
  }
  absl::StrAppend(&text, " [", e.access_acl, "] [", e.default_acl, "]", e.sparse ? " sparse" : "",
                  " in ", found.place.tar_offset, "+", found.place.header_bytes, "+",
                  found.place.stored_bytes, " ", found.odd);
  for (const auto& [offset, data] : found.content) {
    absl::StrAppend(&text, " ", offset, ":", data.size(), ":", ToHex(Md5Of(AsBytes(data))));
  }
  return text;
}

std::vector<std::string> TextsOf(const std::vector<FoundEntry>& entries) {
  std::vector<std::string> texts;
  for (const FoundEntry& found : entries) texts.push_back(TextOf(found));
  return texts;
}

}  // namespace volstream
