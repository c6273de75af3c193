// Tar entries from a seed: every type, and values around where a header's fields end.
#ifndef VOLSTREAM_TESTS_SUPPORT_TAR_SWEEP_H_
#define VOLSTREAM_TESTS_SUPPORT_TAR_SWEEP_H_

#include <cstdint>
#include <random>
#include <string>

#include "engine/bytes.h"
#include "stages/tar_header.h"

namespace volstream {

// An entry and the bytes that its views show.
struct OwnedEntry {
  std::string path;
  std::string link_target;
  std::string user_name;
  std::string group_name;
  std::string pax_records;
  TarEntry entry;
};

class TarSweep {
 public:
  explicit TarSweep(uint64_t seed) : random_(seed) {}

  void Next(OwnedEntry* out) {
    constexpr TarType kTypes[] = {TarType::kFile,       TarType::kHardLink,    TarType::kSymlink,
                                  TarType::kCharDevice, TarType::kBlockDevice, TarType::kDirectory,
                                  TarType::kFifo};
    TarEntry& entry = out->entry;
    entry = TarEntry();
    entry.type = Pick(kTypes);
    out->path = "./" + Path(Length());
    if (entry.type == TarType::kDirectory) out->path += '/';
    const bool is_link = entry.type == TarType::kHardLink || entry.type == TarType::kSymlink;
    out->link_target = is_link ? "./" + Path(Length()) : "";
    entry.mode = static_cast<uint32_t>(random_() & 07777);
    constexpr uint32_t kIds[] = {0, 1, 1000, 2'097'151, 2'097'152, 4'294'967'294};
    entry.uid = Pick(kIds);
    entry.gid = Pick(kIds);
    out->user_name = std::string(Pick(kNameBytes), 'u');
    out->group_name = std::string(Pick(kNameBytes), 'g');
    constexpr uint64_t kSizes[] = {0, 1, 512, 8 * kGiB - 1, 8 * kGiB, uint64_t{INT64_MAX} - 512};
    if (entry.type == TarType::kFile) entry.bytes = Pick(kSizes);
    constexpr int64_t kTimes[] = {
        -9'000'000'000, -1, 0, 1, 1'700'000'000, 8'589'934'591, 8'589'934'592, 99'999'999'999};
    constexpr uint32_t kNanoseconds[] = {0, 0, 1, 500'000'000, 999'999'999, 123'456'000};
    entry.mtime_seconds = Pick(kTimes);
    entry.mtime_nanoseconds = Pick(kNanoseconds);
    if (entry.type == TarType::kCharDevice || entry.type == TarType::kBlockDevice) {
      entry.device_major = static_cast<uint32_t>(random_() % 4096);
      entry.device_minor = static_cast<uint32_t>(random_() % 1'048'576);
    }
    out->pax_records.clear();
    for (uint64_t i = random_() % 3; i > 0; --i) {
      AppendPaxRecord("SCHILY.xattr.user.x" + std::to_string(i), std::string(Length(), '\n'),
                      &out->pax_records);
    }
    if (entry.type == TarType::kFile && random_() % 3 == 0) {
      entry.sparse = true;
      entry.sparse_file_bytes = Pick(kSizes);
    }
    entry.path = out->path;
    entry.link_target = out->link_target;
    entry.user_name = out->user_name;
    entry.group_name = out->group_name;
    entry.pax_records = out->pax_records;
  }

 private:
  static constexpr size_t kNameBytes[] = {0, 1, 8, 30, 31, 32, 33, 100};

  template <typename T, size_t N>
  T Pick(const T (&values)[N]) {
    return values[random_() % N];
  }

  // Mostly around where a field or the length of a record's length ends.
  size_t Length() {
    constexpr size_t kAround[] = {1, 10, 80, 95, 100, 155, 256, 512, 990, 4000};
    return Pick(kAround) + random_() % 12;
  }

  std::string Path(size_t bytes) {
    std::string path;
    while (path.size() < bytes) {
      path += std::string(1 + random_() % 120, static_cast<char>('a' + random_() % 26)) + "/";
    }
    path.resize(bytes);
    if (path.back() == '/') path.back() = 'x';
    return path;
  }

  std::mt19937_64 random_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TAR_SWEEP_H_
