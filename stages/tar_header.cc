#include "stages/tar_header.h"

#include <charconv>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/absl_text.h"

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

// Of "LENGTH keyword=value\n", where LENGTH counts itself too.
size_t PaxRecordBytes(std::string_view keyword, std::string_view value) {
  const size_t rest = keyword.size() + value.size() + 3;  // ' ', '=' and '\n'
  size_t digits = 1;
  for (size_t limit = 10; rest + digits >= limit; limit *= 10) ++digits;
  return rest + digits;
}

// Where a header's records go: into a string, or only into a sum.
struct RecordWriter {
  std::string* out;
  void operator()(std::string_view keyword, std::string_view value) {
    AppendPaxRecord(keyword, value, out);
  }
  void Ready(std::string_view records) { out->append(records); }
};
struct RecordCounter {
  size_t bytes = 0;
  void operator()(std::string_view keyword, std::string_view value) {
    bytes += PaxRecordBytes(keyword, value);
  }
  void Ready(std::string_view records) { bytes += records.size(); }
};

// Decimal text of a number, without a heap allocation.
struct NumberText {
  explicit NumberText(uint64_t value) { end = std::to_chars(text, text + sizeof(text), value).ptr; }
  std::string_view view() const { return {text, static_cast<size_t>(end - text)}; }
  char text[20];
  char* end;
};

// The value of pax's mtime: decimal seconds with the fraction that is needed. The fraction counts
// towards the past for times before 1970, as the value is a single signed number.
struct PaxTimeText {
  PaxTimeText(int64_t seconds, uint32_t nanoseconds) {
    char* place = text;
    if (seconds < 0) *place++ = '-';
    if (seconds < 0 && nanoseconds != 0) {
      seconds += 1;
      nanoseconds = 1'000'000'000 - nanoseconds;
    }
    const uint64_t magnitude =
        seconds < 0 ? uint64_t{0} - static_cast<uint64_t>(seconds) : static_cast<uint64_t>(seconds);
    end = std::to_chars(place, text + sizeof(text), magnitude).ptr;
    if (nanoseconds == 0) return;
    *end++ = '.';
    for (uint32_t unit = 100'000'000; nanoseconds != 0; nanoseconds %= unit, unit /= 10) {
      *end++ = static_cast<char>('0' + nanoseconds / unit);
    }
  }
  std::string_view view() const { return {text, static_cast<size_t>(end - text)}; }
  char text[32];
  char* end;
};

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

// Where `path` is cut into ustar's prefix and name: at a '/'. 0 = it fits the name as it is; npos =
// it fits neither way.
size_t PathSplit(std::string_view path) {
  constexpr size_t kName = sizeof(Ustar::name);
  if (path.size() <= kName) return 0;
  // The name's part may not be empty, so a directory's last '/' is no place to split.
  const size_t split = path.find('/', path.size() - kName - 1);
  if (split == std::string_view::npos || split == 0 || split > sizeof(Ustar::prefix) ||
      split + 1 == path.size()) {
    return std::string_view::npos;
  }
  return split;
}

bool MtimeFits(const TarEntry& entry) {
  return entry.mtime_seconds >= 0 && static_cast<uint64_t>(entry.mtime_seconds) <= kOctal11;
}

// "DIRECTORY/GNUSparseFile.0/NAME": where a reader that knows no sparse files puts the stored
// bytes, so that they are not taken for the file.
std::string SparsePlaceholder(std::string_view path) {
  const size_t name = path.rfind('/') + 1;
  return absl::StrCat(ToAbsl(path.substr(0, name)), "GNUSparseFile.0/", ToAbsl(path.substr(name)));
}

// Every record that the entry needs.
template <typename Records>
void PutRecords(const TarEntry& entry, Records* records) {
  Records& record = *records;
  if (entry.sparse) {
    // Before the true name: readers take the last one that they see.
    const std::string placeholder = SparsePlaceholder(entry.path);
    if (placeholder.size() > sizeof(Ustar::name)) record("path", placeholder);
    record("GNU.sparse.major", "1");
    record("GNU.sparse.minor", "0");
    record("GNU.sparse.name", entry.path);
    record("GNU.sparse.realsize", NumberText(entry.sparse_file_bytes).view());
  } else if (PathSplit(entry.path) == std::string_view::npos) {
    record("path", entry.path);
  }
  if (entry.link_target.size() > sizeof(Ustar::link_name)) record("linkpath", entry.link_target);
  if (entry.uid > kOctal7) record("uid", NumberText(entry.uid).view());
  if (entry.gid > kOctal7) record("gid", NumberText(entry.gid).view());
  if (entry.bytes > kOctal11) record("size", NumberText(entry.bytes).view());
  if (!MtimeFits(entry) || entry.mtime_nanoseconds != 0) {
    record("mtime", PaxTimeText(entry.mtime_seconds, entry.mtime_nanoseconds).view());
  }
  // ustar's fields need a NUL at their end.
  if (entry.user_name.size() >= sizeof(Ustar::user_name)) record("uname", entry.user_name);
  if (entry.group_name.size() >= sizeof(Ustar::group_name)) record("gname", entry.group_name);
  record.Ready(entry.pax_records);
}

void AppendHeader(const Ustar& header, std::string* out) {
  out->append(reinterpret_cast<const char*>(&header), sizeof(header));
}

void PutMagic(Ustar* header) {
  PutText("ustar", header->magic);  // with its NUL
  PutText("00", header->version);
}

// The header of the extended header whose records, of `bytes`, follow.
void AppendPaxHeader(std::string_view path, size_t bytes, std::string* out) {
  constexpr std::string_view kDirectory = "./PaxHeaders/";
  Ustar header{};
  std::string_view base = path.substr(0, path.find_last_not_of('/') + 1);
  base = base.substr(base.rfind('/') + 1);
  // A reader that knows no pax makes a file of this name; keep it recognisable.
  kDirectory.copy(header.name, kDirectory.size());
  base.copy(header.name + kDirectory.size(), 80);
  PutOctal(0644, header.mode);
  PutOctal(0, header.uid);
  PutOctal(0, header.gid);
  PutOctal(bytes, header.size);
  PutOctal(0, header.mtime);
  header.type = 'x';
  PutMagic(&header);
  PutChecksum(&header);
  AppendHeader(header, out);
}

size_t RecordBytes(const TarEntry& entry) {
  RecordCounter counter;
  PutRecords(entry, &counter);
  return counter.bytes;
}

}  // namespace

void AppendPaxRecord(std::string_view keyword, std::string_view value, std::string* out) {
  out->append(NumberText(PaxRecordBytes(keyword, value)).view());
  out->append(" ").append(keyword).append("=").append(value);
  out->push_back('\n');
}

size_t TarHeaderBytes(const TarEntry& entry) {
  const size_t records = RecordBytes(entry);
  return kTarBlockBytes + (records == 0 ? 0 : kTarBlockBytes + TarPadded(records));
}

std::string TarHeaderOf(const TarEntry& entry) {
  std::string out;
  AppendTarHeader(entry, &out);
  return out;
}

void AppendTarHeader(const TarEntry& entry, std::string* out) {
  if (const size_t records = RecordBytes(entry); records > 0) {
    out->reserve(out->size() + 2 * kTarBlockBytes + TarPadded(records));
    AppendPaxHeader(entry.path, records, out);
    RecordWriter writer{out};
    PutRecords(entry, &writer);
    out->append(TarPadded(records) - records, '\0');
  }
  Ustar header{};
  if (entry.sparse) {
    PutText(SparsePlaceholder(entry.path), header.name);
  } else if (const size_t split = PathSplit(entry.path);
             split == 0 || split == std::string_view::npos) {
    PutText(entry.path, header.name);
  } else {
    PutText(entry.path.substr(0, split), header.prefix);
    PutText(entry.path.substr(split + 1), header.name);
  }
  PutText(entry.link_target, header.link_name);
  PutOctal(entry.mode & 07777, header.mode);
  PutOctal(entry.uid <= kOctal7 ? entry.uid : 0, header.uid);
  PutOctal(entry.gid <= kOctal7 ? entry.gid : 0, header.gid);
  PutOctal(entry.bytes <= kOctal11 ? entry.bytes : 0, header.size);
  PutOctal(MtimeFits(entry) ? entry.mtime_seconds : 0, header.mtime);
  header.type = static_cast<char>(entry.type);
  PutMagic(&header);
  // One byte short of the field: a NUL must end these two.
  PutText(entry.user_name.substr(0, sizeof(header.user_name) - 1), header.user_name);
  PutText(entry.group_name.substr(0, sizeof(header.group_name) - 1), header.group_name);
  PutOctal(entry.device_major, header.device_major);
  PutOctal(entry.device_minor, header.device_minor);
  PutChecksum(&header);
  AppendHeader(header, out);
}

}  // namespace volstream
