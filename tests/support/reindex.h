// Archives whose index says something else than the archive: what nobody's volstream writes, and
// what a reader must not believe.
#ifndef VOLSTREAM_TESTS_SUPPORT_REINDEX_H_
#define VOLSTREAM_TESTS_SUPPORT_REINDEX_H_

#include <functional>
#include <string>
#include <vector>

#include "stages/index_format.h"

namespace volstream {

struct IndexTables {
  std::vector<IndexedEntry> entries;
  std::vector<MemberExtent> members;
};

// The archive with a new index, of what `change` makes of the old one's tables. Places of entries
// follow from their sizes, and offsets of members from theirs.
std::string Reindex(const std::string& archive, const std::function<void(IndexTables*)>& change);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_REINDEX_H_
