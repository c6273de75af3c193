#include "stages/tar_header.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/check.h"

namespace volstream {
namespace {

// The ustar header, field by field as POSIX gives it.
struct Ustar {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link_name[100];
  char magic[6];
  char version[2];
  char user_name[32];
  char group_name[32];
  char device_major[8];
  char device_minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(Ustar) == kTarBlockBytes);

constexpr uint64_t kOctal7 = 07777777;       // largest number in an 8-byte field
constexpr uint64_t kOctal11 = 077777777777;  // largest number in a 12-byte field

template <size_t N>
void PutText(std::string_view text, char (&field)[N]) {
  text.copy(field, N);
}

// Zero-padded octal, ended by a NUL. REQUIRES: the value fits.
template <size_t N>
void PutOctal(uint64_t value, char (&field)[N]) {
  field[N - 1] = '\0';
  for (size_t i = N - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
  VS_CHECK(value == 0);
}

// "LENGTH keyword=value\n", where LENGTH counts itself too.
void AppendPaxRecord(std::string_view keyword, std::string_view value, std::string* out) {
  const size_t rest = keyword.size() + value.size() + 3;  // ' ', '=' and '\n'
  size_t length = rest + 1;
  while (absl::StrCat(length).size() + rest != length) {
    length = absl::StrCat(length).size() + rest;
  }
  out->append(std::to_string(length)).append(" ").append(keyword).append("=").append(value);
  out->push_back('\n');
}

// The value of pax's mtime: decimal seconds with the fraction that is needed. The fraction counts
// towards the past for times before 1970, as the value is a single signed number.
std::string PaxTime(int64_t seconds, uint32_t nanoseconds) {
  if (nanoseconds == 0) return std::to_string(seconds);
  const bool negative = seconds < 0;
  if (negative) {
    seconds += 1;
    nanoseconds = 1'000'000'000 - nanoseconds;
  }
  std::string text =
      absl::StrFormat("%s%d.%09d", negative ? "-" : "", std::abs(seconds), nanoseconds);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

void PutChecksum(Ustar* header) {
  std::memset(header->checksum, ' ', sizeof(header->checksum));
  uint32_t sum = 0;
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(header);
  for (size_t i = 0; i < sizeof(*header); ++i) sum += bytes[i];
  // Six digits, NUL, space: what every tar writes.
  char digits[7];
  PutOctal(sum, digits);
  std::memcpy(header->checksum, digits, sizeof(digits));
}

// Puts `path` into name and prefix if it fits there; the split must fall on a '/'.
bool PutPath(std::string_view path, Ustar* header) {
  if (path.size() <= sizeof(header->name)) {
    PutText(path, header->name);
    return true;
  }
  // The name's part may not be empty, so a directory's last '/' is no place to split.
  const size_t earliest = path.size() - sizeof(header->name) - 1;
  const size_t split = path.find('/', earliest);
  if (split == std::string_view::npos || split == 0 || split > sizeof(header->prefix) ||
      split + 1 == path.size()) {
    return false;
  }
  PutText(path.substr(0, split), header->prefix);
  PutText(path.substr(split + 1), header->name);
  return true;
}

void AppendHeader(const Ustar& header, std::string* out) {
  out->append(reinterpret_cast<const char*>(&header), sizeof(header));
}

void PutMagic(Ustar* header) {
  PutText("ustar", header->magic);  // with its NUL
  PutText("00", header->version);
}

void AppendPaxHeader(std::string_view path, std::string_view records, std::string* out) {
  Ustar header{};
  std::string_view base = path.substr(0, path.find_last_not_of('/') + 1);
  base = base.substr(base.rfind('/') + 1);
  // A reader that knows no pax makes a file of this name; keep it recognisable.
  PutText(std::string("./PaxHeaders/").append(base.substr(0, 80)), header.name);
  PutOctal(0644, header.mode);
  PutOctal(0, header.uid);
  PutOctal(0, header.gid);
  PutOctal(records.size(), header.size);
  PutOctal(0, header.mtime);
  header.type = 'x';
  PutMagic(&header);
  PutChecksum(&header);
  AppendHeader(header, out);
  out->append(records);
  out->append(TarPadded(records.size()) - records.size(), '\0');
}

}  // namespace

std::string TarHeaderOf(const TarEntry& entry) {
  Ustar header{};
  std::string records;
  if (!PutPath(entry.path, &header)) {
    AppendPaxRecord("path", entry.path, &records);
    PutText(entry.path.substr(0, sizeof(header.name)), header.name);
  }
  PutText(entry.link_target, header.link_name);
  if (entry.link_target.size() > sizeof(header.link_name)) {
    AppendPaxRecord("linkpath", entry.link_target, &records);
  }
  PutOctal(entry.mode & 07777, header.mode);
  PutOctal(entry.uid <= kOctal7 ? entry.uid : 0, header.uid);
  if (entry.uid > kOctal7) AppendPaxRecord("uid", std::to_string(entry.uid), &records);
  PutOctal(entry.gid <= kOctal7 ? entry.gid : 0, header.gid);
  if (entry.gid > kOctal7) AppendPaxRecord("gid", std::to_string(entry.gid), &records);
  PutOctal(entry.bytes <= kOctal11 ? entry.bytes : 0, header.size);
  if (entry.bytes > kOctal11) AppendPaxRecord("size", std::to_string(entry.bytes), &records);
  const bool mtime_fits =
      entry.mtime_seconds >= 0 && static_cast<uint64_t>(entry.mtime_seconds) <= kOctal11;
  PutOctal(mtime_fits ? entry.mtime_seconds : 0, header.mtime);
  if (!mtime_fits || entry.mtime_nanoseconds != 0) {
    AppendPaxRecord("mtime", PaxTime(entry.mtime_seconds, entry.mtime_nanoseconds), &records);
  }
  header.type = static_cast<char>(entry.type);
  PutMagic(&header);
  // One byte short of the field: a NUL must end these two.
  PutText(entry.user_name.substr(0, sizeof(header.user_name) - 1), header.user_name);
  PutText(entry.group_name.substr(0, sizeof(header.group_name) - 1), header.group_name);
  PutOctal(entry.device_major, header.device_major);
  PutOctal(entry.device_minor, header.device_minor);
  PutChecksum(&header);

  std::string out;
  if (!records.empty()) AppendPaxHeader(entry.path, records, &out);
  AppendHeader(header, &out);
  return out;
}

}  // namespace volstream
