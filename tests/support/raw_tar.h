// Tar blocks put together by hand, for what TarHeaderOf never writes.
#ifndef VOLSTREAM_TESTS_SUPPORT_RAW_TAR_H_
#define VOLSTREAM_TESTS_SUPPORT_RAW_TAR_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "stages/tar_header.h"

namespace volstream {

inline const std::string& TarEnd() {
  static const std::string* const end = new std::string(kTarEndBytes, '\0');
  return *end;
}

// The data with the zeros that fill its last block.
inline std::string PaddedData(std::string_view data) {
  std::string padded(data);
  padded.resize(TarPadded(data.size()));
  return padded;
}

// The header with its checksum put right.
inline std::string WithChecksum(std::string header) {
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (size_t i = 0; i < kTarBlockBytes; ++i) sum += static_cast<uint8_t>(header[i]);
  header.replace(148, 8, absl::StrFormat("%06o", sum) + std::string("\0 ", 2));
  return header;
}

// The header with these bytes in the place of what it has there.
inline std::string WithField(std::string header, size_t at, std::string_view field) {
  header.replace(at, field.size(), field);
  return WithChecksum(std::move(header));
}

// A header of any type; `bytes` goes into its size.
inline std::string RawHeader(std::string_view name, char type, uint64_t bytes) {
  TarEntry entry;
  entry.path = name;
  entry.mode = 0644;
  entry.bytes = bytes;
  return WithField(TarHeaderOf(entry), 156, std::string(1, type));
}

inline std::string RawEntry(std::string_view name, char type, std::string_view data) {
  return RawHeader(name, type, data.size()) + PaddedData(data);
}

inline std::string FileEntry(std::string_view name, std::string_view data) {
  return RawEntry(name, '0', data);
}

// An extended header of these records, type 'x' or 'g'.
inline std::string PaxHeader(std::string_view records, char type = 'x') {
  return RawEntry("PaxHeaders/x", type, records);
}

inline std::string PaxRecord(std::string_view keyword, std::string_view value) {
  std::string record;
  AppendPaxRecord(keyword, value, &record);
  return record;
}

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_RAW_TAR_H_
