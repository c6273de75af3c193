#include "tests/support/guarded_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include "engine/check.h"

namespace volstream {

GuardedBytes::GuardedBytes(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t room = (bytes + page - 1) / page * page;
  const size_t all = room + 2 * page;
  void* const begin = mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VS_CHECK(begin != MAP_FAILED);
  pages_ = MutableByteSpan(static_cast<uint8_t*>(begin), all);
  room_ = pages_.subspan(page, room);
  VS_CHECK(mprotect(room_.data(), room, PROT_READ | PROT_WRITE) == 0);
}

GuardedBytes::~GuardedBytes() { munmap(pages_.data(), pages_.size()); }

}  // namespace volstream
