// TarReader: the entries of a tar stream as volstream and most others write it. Reads ustar, old
// V7 headers, pax ('x', 'g'), GNU tar's long names ('L', 'K') and base-256 numbers, GNU sparse
// format 1.0; POSIX "pax Interchange Format", GNU tar's manual: see stages/tar_parser.h. Of what it
// does not know (old GNU sparse 'S', pax sparse 0.0 and 0.1, multi-volume) it says so: see odd().
//
// Pieces of content are parts of the input's own bytes, never copied. Of a hard link that has data
// of its own, of a directory and of an odd entry no content is handed out; it is passed over.
// After the end mark only zeros may follow; they are read to the input's end, so that its own
// checks run. Threads: one at a time.
#ifndef VOLSTREAM_STAGES_TAR_READER_H_
#define VOLSTREAM_STAGES_TAR_READER_H_

#include <memory>
#include <string>

#include "stages/entry_reader.h"

namespace volstream {

class TarReader : public EntryReader {
 public:
  // The input must outlive it. `tar_offset`: where in the tar the input begins. With `fragment` the
  // input is a piece of a tar that begins with an entry and ends behind one: its end needs no mark.
  static std::unique_ptr<TarReader> Make(TarInput* input, uint64_t tar_offset = 0,
                                         bool fragment = false);

  // Of the current entry.
  virtual const EntryPlace& place() const = 0;
  // Why the current entry's content cannot be told apart here; empty if it can.
  virtual const std::string& odd() const = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_READER_H_
