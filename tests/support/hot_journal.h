// Rollback journals of SQLite as a transaction that was cut short leaves them, by the format of
// sqlite.org/fileformat2.html#the_rollback_journal.
#ifndef VOLSTREAM_TESTS_SUPPORT_HOT_JOURNAL_H_
#define VOLSTREAM_TESTS_SUPPORT_HOT_JOURNAL_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace volstream {

inline std::string BigEndian32(uint64_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

// The journal beside a database of `database_bytes`, of 4096 bytes a page, that holds no page, and
// says that it belongs to the super-journal of that name; to none if that is empty.
inline std::string HotJournal(uint64_t database_bytes, std::string_view super_journal) {
  const std::string magic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
  std::string journal = magic + BigEndian32(0) + BigEndian32(0) +
                        BigEndian32(database_bytes / 4096) + BigEndian32(512) + BigEndian32(4096);
  journal.resize(512);
  if (super_journal.empty()) return journal;
  uint32_t sum = 0;
  for (const char c : super_journal) sum += static_cast<uint32_t>(static_cast<signed char>(c));
  return journal + BigEndian32(0x40000000 / 4096 + 1) + std::string(super_journal) +
         BigEndian32(super_journal.size()) + BigEndian32(sum) + magic;
}

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_HOT_JOURNAL_H_
