#include "stages/tar_watch.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

constexpr size_t kSizeAt = 124;
constexpr size_t kSizeBytes = 12;
constexpr size_t kChecksumAt = 148;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kTypeAt = 156;
constexpr char kHardLink = '1';
constexpr char kGnuSparse = 'S';
// Whether a block of a sparse map comes next: in the header, and in each such block.
constexpr size_t kMapFollowsAt = 482;
constexpr size_t kMapGoesOnAt = 504;
// Extended attributes are the largest records; the kernel allows 64 KiB for one value.
constexpr uint64_t kMaxPaxBytes = 16 * kMiB;

// An octal field, or GNU's base 256 with the top bit of the first byte set.
std::optional<uint64_t> Number(ByteSpan field) {
  uint64_t value = 0;
  if ((field[0] & 0x80) != 0) {
    if ((field[0] & 0x40) != 0) return std::nullopt;  // negative
    value = field[0] & 0x3f;
    for (const uint8_t byte : field.subspan(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | byte;
    }
    return value;
  }
  size_t i = 0;
  while (i < field.size() && field[i] == ' ') ++i;
  for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i) {
    value = value << 3 | static_cast<uint64_t>(field[i] - '0');
  }
  for (; i < field.size(); ++i) {
    if (field[i] != ' ' && field[i] != 0) return std::nullopt;
  }
  return value;
}

uint64_t Checksum(ByteSpan header) {
  uint64_t sum = 0;
  for (size_t i = 0; i < header.size(); ++i) {
    const bool in_field = i >= kChecksumAt && i < kChecksumAt + kChecksumBytes;
    sum += in_field ? ' ' : header[i];
  }
  return sum;
}

bool HasChecksum(ByteSpan header) {
  const std::optional<uint64_t> checksum = Number(header.subspan(kChecksumAt, kChecksumBytes));
  return checksum.has_value() && *checksum == Checksum(header);
}

bool HasData(char type) {
  // Links (but see OnBlock), devices, directories and FIFOs have none, whatever their size field
  // says.
  return type < '1' || type > '6';
}

}  // namespace

absl::Status TarWatch::Feed(ByteSpan bytes) {
  while (!bytes.empty()) {
    if (data_left_ > 0 && !sparse_map_) {
      bytes = bytes.subspan(TakeData(bytes));
      if (data_left_ == 0 && collects_) {
        collects_ = false;
        if (absl::Status status = ReadPax(); !status.ok()) return status;
      }
      continue;
    }
    const size_t taken = std::min(bytes.size(), header_.size() - header_bytes_);
    std::copy_n(bytes.begin(), taken, header_.begin() + header_bytes_);
    header_bytes_ += taken;
    offset_ += taken;
    bytes = bytes.subspan(taken);
    if (header_bytes_ < header_.size()) break;
    header_bytes_ = 0;
    if (absl::Status status = OnBlock(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

size_t TarWatch::TakeData(ByteSpan bytes) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(data_left_, bytes.size()));
  if (collects_) pax_.append(reinterpret_cast<const char*>(bytes.data()), taken);
  if (start_left_ > 0) {
    const size_t count = std::min(taken, start_left_);
    std::copy_n(bytes.begin(), count, start_.end() - static_cast<ptrdiff_t>(start_left_));
    start_left_ -= count;
    if (start_left_ == 0 && IsSqliteHeader(start_)) ++sqlite_files_;
  }
  data_left_ -= taken;
  offset_ += taken;
  return taken;
}

absl::Status TarWatch::OnBlock() {
  if (sparse_map_) {
    sparse_map_ = header_[kMapGoesOnAt] != 0;
    return absl::OkStatus();
  }
  const uint64_t link_data = std::exchange(link_data_left_, 0);
  if (link_data == 0 || IsZero(header_) || HasChecksum(header_)) return OnHeader();
  data_left_ = link_data - kTarBlockBytes;  // this block is its first
  return absl::OkStatus();
}

absl::Status TarWatch::OnHeader() {
  const auto damaged = [this](absl::string_view what) {
    return absl::DataLossError(
        absl::StrCat("the tar stream is damaged at byte ", offset_ - kTarBlockBytes, ": ", what));
  };
  if (IsZero(header_)) {
    ++zero_blocks_;
    return absl::OkStatus();
  }
  if (zero_blocks_ > 0) return damaged("an entry after the end mark");
  const ByteSpan header(header_);
  if (!HasChecksum(header)) return damaged("no tar header");
  std::optional<uint64_t> size = Number(header.subspan(kSizeAt, kSizeBytes));
  if (!size.has_value()) return damaged("an impossible size");

  const char type = static_cast<char>(header_[kTypeAt]);
  const bool describes_another = type == 'x' || type == 'g' || type == 'L' || type == 'K';
  if (!describes_another) {
    ++entries_;
    if (size_.has_value()) size = size_;
    size_.reset();
  }
  if (!HasData(type) && type != kHardLink) return absl::OkStatus();
  if (*size > UINT64_MAX / 2) return damaged("an impossible size");
  if (type == kHardLink) {
    link_data_left_ = TarPadded(*size);
    return absl::OkStatus();
  }
  data_left_ = TarPadded(*size);
  sparse_map_ = type == kGnuSparse && header_[kMapFollowsAt] != 0;
  // A shorter file's padding is no part of it.
  const bool may_be_sqlite =
      *size >= start_.size() && (type == '0' || type == '\0' || type == '7' || type == kGnuSparse);
  start_left_ = may_be_sqlite ? start_.size() : 0;
  collects_ = type == 'x' && *size > 0;
  if (!collects_) return absl::OkStatus();
  if (*size > kMaxPaxBytes) return damaged("an extended header of impossible size");
  pax_.clear();
  return absl::OkStatus();
}

// Records "LENGTH KEY=VALUE\n", the length that of the whole record; zeros pad the last block.
absl::Status TarWatch::ReadPax() {
  std::string_view rest = pax_;
  while (!rest.empty() && rest.front() != '\0') {
    const size_t space = rest.find(' ');
    size_t length = 0;
    if (space == std::string_view::npos ||
        !absl::SimpleAtoi(ToAbsl(rest.substr(0, space)), &length) || length <= space + 1 ||
        length > rest.size() || rest[length - 1] != '\n') {
      return absl::DataLossError(
          absl::StrCat("the tar stream is damaged before byte ", offset_, ": a bad pax record"));
    }
    const std::string_view record = rest.substr(space + 1, length - space - 2);
    uint64_t size = 0;
    if (record.substr(0, 5) == "size=" && absl::SimpleAtoi(ToAbsl(record.substr(5)), &size)) {
      size_ = size;
    }
    rest.remove_prefix(length);
  }
  return absl::OkStatus();
}

absl::Status TarWatch::Finish() const {
  if (data_left_ == 0 && header_bytes_ == 0 && zero_blocks_ >= 2) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the tar stream ended at byte ", offset_,
                                          ", before its end mark: it was cut short"));
}

}  // namespace volstream
