// ForeignTarReader: the entries of any tar that libarchive knows, compressed or not, from the bytes
// of the archive. The only home of libarchive outside the tests.
//
// gzip and Zstandard go through an InflatingReader, which checks their checksums, and must come
// with the tar's end mark: libarchive takes the end of the bytes for the end of the tar. Content is
// handed on without a copy where it lies in the tar in one piece of the input. Memory: some MiB,
// beside the input's.
#ifndef VOLSTREAM_STAGES_FOREIGN_TAR_READER_H_
#define VOLSTREAM_STAGES_FOREIGN_TAR_READER_H_

#include <functional>
#include <memory>
#include <string_view>

#include "stages/entry_reader.h"

namespace volstream {

class ForeignTarReader : public EntryReader {
 public:
  // `archive` gives the archive's bytes and must outlive the reader; Next returns null only after
  // their end. `on_warning` hears of entries that libarchive cannot read in full; may be empty.
  // With needs_end_mark a tar that is not compressed must have one too.
  static std::unique_ptr<ForeignTarReader> Make(TarInput* archive,
                                                std::function<void(std::string_view)> on_warning,
                                                bool needs_end_mark = false);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_FOREIGN_TAR_READER_H_
