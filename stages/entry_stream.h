// EntryStream: the entries of an archive or a directory one at a time, in the order of
// ComparePaths, each path once: what two of them need to be compared.
//
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_ENTRY_STREAM_H_
#define VOLSTREAM_STAGES_ENTRY_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/archive_listing.h"
#include "stages/entry_info.h"

namespace volstream {

class EntryStream {
 public:
  // What the entries of an archive that is not sorted may take in memory, as it must hold them all.
  static constexpr uint64_t kMaxSortedBytes = 512 * kMiB;

  // Of an archive, which must outlive it. One that is sorted is read as it goes; kResourceExhausted
  // for another one whose entries need more than kMaxSortedBytes.
  static absl::StatusOr<std::unique_ptr<EntryStream>> OfArchive(ArchiveListing* archive);
  // Of a directory as it is, without reading files: in the order and with the entries of a backup,
  // so without sockets and without following symlinks. Memory: the names of the directories that
  // lead to where it is, and the inodes with several names.
  // Errors: kVolumeNotFound as of a backup; a directory that cannot be read, or that holds itself.
  static absl::StatusOr<std::unique_ptr<EntryStream>> OfDirectory(std::string root);

  virtual ~EntryStream() = default;

  // The next entry, null at the end; valid until the next call.
  virtual absl::StatusOr<const EntryInfo*> Next() = 0;
  // What the hard link, just given by Next, is a name of: the entry that carries the data, under
  // the link's path. The link itself where there is no such entry.
  virtual absl::StatusOr<EntryInfo> Resolve(const EntryInfo& link) = 0;
  // Whether times are as exact as volstream takes them.
  virtual bool exact_times() const = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENTRY_STREAM_H_
