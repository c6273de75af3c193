// Storage: one destination (a directory, an S3 prefix) as the rest of volstream sees it. Names are
// plain object names under the destination, without any '/'.
#ifndef VOLSTREAM_STAGES_STORAGE_H_
#define VOLSTREAM_STAGES_STORAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "engine/stage.h"
#include "stages/part_plan.h"

namespace volstream {

// S3 uploads begun longer ago than this are taken for dead: a run that still uploads has begun its
// upload when it began, so this is the longest that a run may take.
inline constexpr absl::Duration kStaleUploadAge = absl::Hours(7 * 24);

enum class StorageKind { kLocal, kS3 };

struct ObjectInfo {
  std::string name;
  uint64_t bytes = 0;
  absl::Time modified;
  std::string etag;  // without quotes; empty where the destination has none
};

// Thread rule: safe for concurrent calls. Errors carry an ErrorKind (stages/error_kind.h) and name
// the destination; kNotFound means that the named object is not there.
class Storage {
 public:
  virtual ~Storage() = default;

  virtual StorageKind kind() const = 0;
  // The destination as a person writes it: "/backups" or "s3://bucket/prefix/".
  virtual std::string Url() const = 0;
  // Url of one object under it.
  virtual std::string UrlOf(std::string_view name) const = 0;

  // What it takes of one object's parts.
  virtual PartLimits part_limits() const { return PartLimits(); }

  // Makes calls of the methods below that wait for the destination end soon, with kCancelled, and
  // later ones too; sinks, Write and Remove go on, so that a run can clean up. Any thread.
  virtual void Cancel() {}

  // Fails unless the destination can be reached and written to; run before the source is read.
  virtual absl::Status Check() = 0;

  // Objects directly under the destination whose names begin with name_prefix, sorted by name.
  // Unfinished objects are never among them.
  virtual absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view name_prefix) = 0;

  // Size, date and ETag of one object.
  virtual absl::StatusOr<ObjectInfo> Stat(std::string_view name) = 0;

  // A sink that will create `name`. The storage must outlive it.
  virtual absl::StatusOr<std::unique_ptr<PartSink>> NewSink(std::string_view name) = 0;

  // Small objects (receipts), whole. Write replaces `name` in one step.
  virtual absl::StatusOr<std::string> ReadAll(std::string_view name) = 0;
  virtual absl::Status Write(std::string_view name, std::string_view contents) = 0;

  // Reads at `offset` until `out` is full or the object ends; returns the bytes read.
  virtual absl::StatusOr<size_t> ReadAt(std::string_view name, uint64_t offset,
                                        MutableByteSpan out) = 0;

  // Removes the named objects; a name that is not there is no error.
  virtual absl::Status Remove(const std::vector<std::string>& names) = 0;

  // Removes what dead runs left of unfinished archives and receipts of `stem` (of every stem if it
  // is empty): where liveness cannot be seen (S3 uploads), only those begun before `older_than`.
  // Returns a line for each thing removed.
  virtual absl::StatusOr<std::vector<std::string>> RemoveStale(std::string_view stem,
                                                               absl::Time older_than) = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STORAGE_H_
