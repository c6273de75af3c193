#include "stages/index_page.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/digest.h"

namespace volstream {
namespace {

// The columns, in their order in a page.
enum Column : size_t {
  kShared,       // bytes that the path has in common with the one before it
  kSuffixBytes,  // length of the rest
  kSuffixes,     // the rest
  kKinds,        // type, and flags
  kModes,
  kUids,
  kGids,
  kHeaders,      // in blocks of the tar
  kSizes,        // of files alone
  kTimes,        // nanoseconds since the entry before it
  kStored,       // where kHasStored
  kOddTimes,     // where kHasOddTime: seconds and nanoseconds
  kTargetBytes,  // of links alone
  kTargets,
};

// Flags of kKinds; the type is in the lower three bits.
constexpr uint8_t kTypeMask = 7;
constexpr uint8_t kHasOddTime = 0x20;  // outside of what nanoseconds in 64 bits reach
constexpr uint8_t kHasStored = 0x40;   // stored_bytes is not what the type and size say
constexpr uint8_t kSparse = 0x80;

constexpr int64_t kNanoseconds = 1'000'000'000;
constexpr int64_t kMaxSeconds = 9'000'000'000;

absl::Status DamagedPage(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the index is damaged: ", what));
}

bool IsLink(TarType type) { return type == TarType::kSymlink || type == TarType::kHardLink; }

uint64_t UsualStored(const IndexedEntry& entry) {
  return entry.type == TarType::kFile ? entry.bytes : 0;
}

bool HasOddTime(const IndexedEntry& entry) {
  return entry.mtime_seconds < -kMaxSeconds || entry.mtime_seconds > kMaxSeconds;
}

std::string_view Text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

int ComparePaths(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) {
    return static_cast<int>(x != a.end()) - static_cast<int>(y != b.end());
  }
  // No name holds a NUL.
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
  return rank(*x) - rank(*y);
}

bool IsUnder(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

void EntryPageBuilder::Add(const IndexedEntry& entry) {
  VS_CHECK(!full());
  if (count_ == 0) {
    first_path_ = entry.path;
    first_tar_offset_ = entry.place.tar_offset;
  }
  ++count_;
  const size_t shared = static_cast<size_t>(
      std::mismatch(entry.path.begin(), entry.path.end(), last_path_.begin(), last_path_.end())
          .first -
      entry.path.begin());
  AppendVarint(shared, &shared_);
  AppendVarint(entry.path.size() - shared, &suffix_bytes_);
  suffixes_.append(entry.path, shared);
  last_path_ = entry.path;

  const bool odd_time = HasOddTime(entry);
  const bool has_stored = entry.place.stored_bytes != UsualStored(entry);
  kinds_.push_back(static_cast<char>((static_cast<int>(entry.type) - '0') |
                                     (odd_time ? kHasOddTime : 0) | (has_stored ? kHasStored : 0) |
                                     (entry.sparse ? kSparse : 0)));
  AppendVarint(entry.mode, &modes_);
  AppendVarint(entry.uid, &uids_);
  AppendVarint(entry.gid, &gids_);
  VS_CHECK(entry.place.header_bytes % kTarBlockBytes == 0);
  AppendVarint(entry.place.header_bytes / kTarBlockBytes, &headers_);
  if (entry.type == TarType::kFile) AppendVarint(entry.bytes, &sizes_);
  if (has_stored) AppendVarint(entry.place.stored_bytes, &stored_);
  if (odd_time) {
    AppendVarint(ZigZag(entry.mtime_seconds), &odd_times_);
    AppendVarint(entry.mtime_nanoseconds, &odd_times_);
  } else {
    const int64_t time = entry.mtime_seconds * kNanoseconds + entry.mtime_nanoseconds;
    // Modulo 2^64, as the reader adds.
    const uint64_t delta = static_cast<uint64_t>(time) - static_cast<uint64_t>(last_time_ns_);
    AppendVarint(ZigZag(static_cast<int64_t>(delta)), &times_);
    last_time_ns_ = time;
  }
  if (IsLink(entry.type)) {
    AppendVarint(entry.link_target.size(), &target_bytes_);
    targets_.append(entry.link_target);
  }
}

bool EntryPageBuilder::full() const {
  return count_ == kMaxEntries || suffixes_.size() + targets_.size() >= kFullBytes;
}

std::string EntryPageBuilder::Take() {
  std::string page;
  for (const std::string* column :
       {&shared_, &suffix_bytes_, &suffixes_, &kinds_, &modes_, &uids_, &gids_, &headers_, &sizes_,
        &times_, &stored_, &odd_times_, &target_bytes_, &targets_}) {
    AppendVarint(column->size(), &page);
    page.append(*column);
  }
  *this = EntryPageBuilder();
  return page;
}

absl::StatusOr<EntryPageReader> EntryPageReader::Make(std::string page, uint64_t tar_offset,
                                                      uint64_t count) {
  EntryPageReader reader(std::move(page));
  ByteCursor cursor(AsBytes(*reader.page_));
  for (size_t i = 0; i < kColumns; ++i) {
    reader.columns_.emplace_back(cursor.Bytes(cursor.Varint()));
  }
  if (!cursor.complete() || reader.columns_[kKinds].left() != count) {
    return DamagedPage("a page of entries has other columns than it should");
  }
  reader.left_ = count;
  reader.tar_offset_ = tar_offset;
  return reader;
}

absl::StatusOr<const IndexedEntry*> EntryPageReader::Next() {
  VS_CHECK(left_ > 0);
  VS_RETURN_IF_ERROR(Parse());
  --left_;
  return &entry_;
}

absl::Status EntryPageReader::Parse() {
  std::vector<ByteCursor>& column = columns_;
  const uint64_t shared = column[kShared].Varint();
  const ByteSpan suffix = column[kSuffixes].Bytes(column[kSuffixBytes].Varint());
  if (shared > entry_.path.size() || shared + suffix.size() > kMaxIndexedPathBytes) {
    return DamagedPage("an impossible path");
  }
  entry_.path.resize(shared);
  entry_.path.append(Text(suffix));

  const uint8_t kind = column[kKinds].Fixed<uint8_t>();
  if ((kind & kTypeMask) == kTypeMask) return DamagedPage("an entry of a type that is not known");
  entry_.type = static_cast<TarType>('0' + (kind & kTypeMask));
  entry_.sparse = (kind & kSparse) != 0;
  const uint64_t mode = column[kModes].Varint();
  const uint64_t uid = column[kUids].Varint();
  const uint64_t gid = column[kGids].Varint();
  if (mode > 07777 || uid > UINT32_MAX || gid > UINT32_MAX) {
    return DamagedPage("an impossible mode or owner");
  }
  entry_.mode = static_cast<uint32_t>(mode);
  entry_.uid = static_cast<uint32_t>(uid);
  entry_.gid = static_cast<uint32_t>(gid);
  entry_.bytes = entry_.type == TarType::kFile ? column[kSizes].Varint() : 0;
  const uint64_t header_blocks = column[kHeaders].Varint();
  const uint64_t stored = (kind & kHasStored) != 0 ? column[kStored].Varint() : UsualStored(entry_);
  constexpr uint64_t kMost = INT64_MAX / 4;
  if (header_blocks == 0 || header_blocks > kMost / kTarBlockBytes || stored > kMost ||
      entry_.bytes > INT64_MAX || tar_offset_ > kMost) {
    return DamagedPage("an impossible size");
  }
  entry_.place = {tar_offset_, header_blocks * kTarBlockBytes, stored};
  tar_offset_ = entry_.place.end_offset();

  if ((kind & kHasOddTime) != 0) {
    entry_.mtime_seconds = UnZigZag(column[kOddTimes].Varint());
    const uint64_t nanoseconds = column[kOddTimes].Varint();
    if (nanoseconds >= kNanoseconds) return DamagedPage("an impossible time");
    entry_.mtime_nanoseconds = static_cast<uint32_t>(nanoseconds);
  } else {
    const int64_t delta = UnZigZag(column[kTimes].Varint());
    time_ns_ = static_cast<int64_t>(static_cast<uint64_t>(time_ns_) + static_cast<uint64_t>(delta));
    const int64_t nanoseconds = (time_ns_ % kNanoseconds + kNanoseconds) % kNanoseconds;
    // Rounded down: nanoseconds count forward. (time_ns_ - nanoseconds could overflow.)
    entry_.mtime_seconds =
        time_ns_ / kNanoseconds - (time_ns_ < 0 && time_ns_ % kNanoseconds != 0 ? 1 : 0);
    entry_.mtime_nanoseconds = static_cast<uint32_t>(nanoseconds);
  }
  entry_.link_target.clear();
  if (IsLink(entry_.type)) {
    entry_.link_target = Text(column[kTargets].Bytes(column[kTargetBytes].Varint()));
  }
  const bool failed = std::any_of(column.begin(), column.end(),
                                  [](const ByteCursor& cursor) { return cursor.failed(); });
  return failed ? DamagedPage("a page of entries is cut off") : absl::OkStatus();
}

absl::Status EntryPageReader::Finish() const {
  VS_CHECK(left_ == 0);
  const bool complete = std::all_of(columns_.begin(), columns_.end(),
                                    [](const ByteCursor& cursor) { return cursor.complete(); });
  return complete ? absl::OkStatus() : DamagedPage("a page holds more than its entries");
}

void MemberPageBuilder::Add(uint32_t archive_bytes, uint32_t tar_bytes) {
  VS_CHECK(!full());
  ++count_;
  archive_sum_ += archive_bytes;
  tar_sum_ += tar_bytes;
  AppendVarint(archive_bytes, &archive_sizes_);
  AppendVarint(tar_bytes, &tar_sizes_);
}

std::string MemberPageBuilder::Take() {
  std::string page;
  AppendVarint(archive_sizes_.size(), &page);
  page.append(archive_sizes_);
  AppendVarint(tar_sizes_.size(), &page);
  page.append(tar_sizes_);
  *this = MemberPageBuilder();
  return page;
}

absl::StatusOr<std::vector<MemberExtent>> ParseMemberPage(ByteSpan page, uint64_t count,
                                                          uint64_t archive_offset,
                                                          uint64_t tar_offset, uint64_t archive_end,
                                                          uint64_t tar_end) {
  ByteCursor cursor(page);
  ByteCursor archive_sizes(cursor.Bytes(cursor.Varint()));
  ByteCursor tar_sizes(cursor.Bytes(cursor.Varint()));
  if (!cursor.complete() || count > archive_sizes.left() || count > kMaxPageMembers) {
    return DamagedPage("a page of members has other columns than it should");
  }
  std::vector<MemberExtent> members;
  members.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    MemberExtent member{archive_offset, archive_sizes.Varint(), tar_offset, tar_sizes.Varint()};
    if (member.archive_bytes == 0 || member.archive_bytes > UINT32_MAX || member.tar_bytes == 0 ||
        member.tar_bytes > UINT32_MAX) {
      return DamagedPage("a member of impossible size");
    }
    archive_offset += member.archive_bytes;
    tar_offset += member.tar_bytes;
    members.push_back(member);
  }
  if (!archive_sizes.complete() || !tar_sizes.complete() || archive_offset != archive_end ||
      tar_offset != tar_end) {
    return DamagedPage("the members of a page have other sizes than they should");
  }
  return members;
}

}  // namespace volstream
