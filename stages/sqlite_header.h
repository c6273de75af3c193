// How a SQLite database file begins (sqlite.org/fileformat2.html, "The Database Header").
#ifndef VOLSTREAM_STAGES_SQLITE_HEADER_H_
#define VOLSTREAM_STAGES_SQLITE_HEADER_H_

#include <cstddef>
#include <cstring>

#include "engine/bytes.h"

namespace volstream {

// Bytes that IsSqliteHeader needs.
inline constexpr size_t kSqliteMagicBytes = 16;

// True if a file that begins so says that it is a SQLite 3 database.
inline bool IsSqliteHeader(ByteSpan first_bytes) {
  constexpr char kMagic[] = "SQLite format 3";  // its NUL belongs to it
  static_assert(sizeof(kMagic) == kSqliteMagicBytes);
  return first_bytes.size() >= sizeof(kMagic) &&
         std::memcmp(first_bytes.data(), kMagic, sizeof(kMagic)) == 0;
}

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_HEADER_H_
