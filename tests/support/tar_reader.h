// Reads tar streams and gzip members back with libarchive, which shares no code with the writers
// under test.
#ifndef VOLSTREAM_TESTS_SUPPORT_TAR_READER_H_
#define VOLSTREAM_TESTS_SUPPORT_TAR_READER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace volstream {

struct TarItem {
  std::string path;
  char type = '?';  // as ls writes it, h for a hard link
  std::string link_target;
  unsigned mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  std::string user_name;
  std::string group_name;
  int64_t bytes = 0;
  int64_t mtime_seconds = 0;
  long mtime_nanoseconds = 0;
  unsigned device_major = 0;
  unsigned device_minor = 0;
  std::string data;
};

// The first entry, without its data. Fails the test if libarchive cannot read it.
TarItem ReadTarHeader(std::string_view tar);

// All entries with their data, in order. Fails the test unless the stream is a whole tar.
std::vector<TarItem> ReadTar(std::string_view tar);

// What `gzip -dc` gives. Fails the test if a member is damaged.
std::string Gunzip(std::string_view gzip);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TAR_READER_H_
