// The header of one tar entry: POSIX ustar (IEEE Std 1003.1, pax, "ustar Interchange Format"),
// preceded by a pax extended header ('x') only for what ustar cannot hold: long names and link
// targets, sizes of 8 GiB and more, user and group numbers over 2,097,151, times before 1970 or
// with a fraction of a second, extended attributes, and files with holes (GNU sparse format 1.0).
#ifndef VOLSTREAM_STAGES_TAR_HEADER_H_
#define VOLSTREAM_STAGES_TAR_HEADER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace volstream {

inline constexpr size_t kTarBlockBytes = 512;
// Two zero blocks end an archive.
inline constexpr size_t kTarEndBytes = 2 * kTarBlockBytes;

inline constexpr uint64_t TarPadded(uint64_t bytes) {
  return (bytes + kTarBlockBytes - 1) / kTarBlockBytes * kTarBlockBytes;
}

enum class TarType : char {
  kFile = '0',
  kHardLink = '1',
  kSymlink = '2',
  kCharDevice = '3',
  kBlockDevice = '4',
  kDirectory = '5',
  kFifo = '6',
};

// Names are bytes as the file system has them; a directory's path ends in '/'.
struct TarEntry {
  TarType type = TarType::kFile;
  std::string_view path;
  std::string_view link_target;  // of symlinks and hard links
  uint32_t mode = 0;             // permission bits, set-id bits and sticky
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string_view user_name;  // empty when the number has none
  std::string_view group_name;
  uint64_t bytes = 0;  // of the data that follows; 0 unless kFile
  int64_t mtime_seconds = 0;
  uint32_t mtime_nanoseconds = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::string_view pax_records;  // further ones, from AppendPaxRecord
  // A file with holes: its size, and `bytes` is what is stored of it, the map included.
  bool sparse = false;
  uint64_t sparse_file_bytes = 0;
};

// The header's bytes: a multiple of kTarBlockBytes. A function of the entry alone.
std::string TarHeaderOf(const TarEntry& entry);

// Appends them. Where `out` has the room nothing is allocated, unless the file has holes.
void AppendTarHeader(const TarEntry& entry, std::string* out);

// Their number, without making them.
size_t TarHeaderBytes(const TarEntry& entry);

// Appends "LENGTH keyword=value\n", where LENGTH counts itself too. The value may hold any bytes.
void AppendPaxRecord(std::string_view keyword, std::string_view value, std::string* out);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_HEADER_H_
