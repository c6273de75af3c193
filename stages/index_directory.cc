#include "stages/index_directory.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "stages/index_blob.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

absl::Status DamagedDirectory(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the index is damaged: its directory ", what));
}

void AppendPage(const IndexDirectory::Page& page, std::string* out) {
  AppendVarint(page.bytes, out);
  AppendLittleEndian(page.xxh3, out);
  AppendVarint(page.count, out);
}

void TakePage(ByteCursor* cursor, IndexDirectory::Page* page) {
  // More, and the sums below cannot fit.
  page->bytes = std::min<uint64_t>(cursor->Varint(), kMaxBlobMemberBytes + 1);
  page->xxh3 = cursor->Fixed<uint64_t>();
  page->count = cursor->Varint();
}

// A sum that stays below `limit`, or UINT64_MAX for good.
void AddUpTo(uint64_t limit, uint64_t value, uint64_t* sum) {
  *sum = *sum > limit || value > limit - *sum ? UINT64_MAX : *sum + value;
}

}  // namespace

std::string IndexDirectory::Encode() const {
  std::string raw;
  AppendVarint(entry_pages.size(), &raw);
  AppendVarint(member_pages.size(), &raw);
  const std::string* last_path = nullptr;
  uint64_t tar_offset = 0;
  for (const EntryPage& page : entry_pages) {
    AppendPage(page, &raw);
    AppendVarint(page.tar_offset - tar_offset, &raw);
    tar_offset = page.tar_offset;
    size_t shared = 0;
    if (last_path != nullptr) {
      shared = static_cast<size_t>(std::mismatch(page.first_path.begin(), page.first_path.end(),
                                                 last_path->begin(), last_path->end())
                                       .first -
                                   page.first_path.begin());
    }
    AppendVarint(shared, &raw);
    AppendVarint(page.first_path.size() - shared, &raw);
    raw.append(page.first_path, shared);
    last_path = &page.first_path;
  }
  for (const MemberPage& page : member_pages) {
    AppendPage(page, &raw);
    AppendVarint(page.archive_bytes, &raw);
    AppendVarint(page.tar_bytes, &raw);
  }
  return raw;
}

absl::StatusOr<IndexDirectory> IndexDirectory::Decode(ByteSpan raw, const IndexFooter& footer) {
  ByteCursor cursor(raw);
  const uint64_t entry_pages = cursor.Varint();
  const uint64_t member_pages = cursor.Varint();
  if (entry_pages > kMaxPages || member_pages > kMaxPages) {
    return DamagedDirectory("has more pages than volstream reads");
  }
  IndexDirectory directory;
  uint64_t offset = footer.index_offset;
  uint64_t entries = 0;
  uint64_t tar_offset = 0;
  std::string path;
  uint64_t path_bytes = 0;
  for (uint64_t i = 0; i < entry_pages && !cursor.failed(); ++i) {
    EntryPage page;
    TakePage(&cursor, &page);
    page.offset = offset;
    AddUpTo(footer.directory_offset, page.bytes, &offset);
    AddUpTo(footer.entry_count, page.count, &entries);
    AddUpTo(footer.tar_bytes, cursor.Varint(), &tar_offset);
    page.tar_offset = tar_offset;
    const uint64_t shared = cursor.Varint();
    const ByteSpan rest = cursor.Bytes(cursor.Varint());
    if (shared > path.size() || page.count == 0 || page.bytes > kMaxBlobMemberBytes)
      return DamagedDirectory("has an impossible page");
    path.resize(shared);
    path.append(reinterpret_cast<const char*>(rest.data()), rest.size());
    path_bytes += path.size();
    if (path_bytes > kMaxPathBytes)
      return DamagedDirectory("has longer paths than volstream reads");
    page.first_path = path;
    directory.entry_pages.push_back(std::move(page));
  }
  uint64_t members = 0;
  uint64_t member_offset = 0;
  tar_offset = 0;
  for (uint64_t i = 0; i < member_pages && !cursor.failed(); ++i) {
    MemberPage page;
    TakePage(&cursor, &page);
    page.offset = offset;
    AddUpTo(footer.directory_offset, page.bytes, &offset);
    AddUpTo(footer.member_count, page.count, &members);
    page.archive_offset = member_offset;
    page.archive_bytes = cursor.Varint();
    AddUpTo(footer.index_offset, page.archive_bytes, &member_offset);
    page.tar_offset = tar_offset;
    page.tar_bytes = cursor.Varint();
    AddUpTo(footer.tar_bytes, page.tar_bytes, &tar_offset);
    if (page.count == 0 || page.bytes > kMaxBlobMemberBytes) {
      return DamagedDirectory("has an impossible page");
    }
    directory.member_pages.push_back(page);
  }
  if (!cursor.complete()) return DamagedDirectory("is cut off");
  if (offset != footer.directory_offset || entries != footer.entry_count ||
      members != footer.member_count || member_offset != footer.index_offset ||
      tar_offset != footer.tar_bytes) {
    return DamagedDirectory("does not fit the footer");
  }
  return directory;
}

}  // namespace volstream
