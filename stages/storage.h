// Storage: one destination (a directory, an S3 prefix) as the rest of volstream sees it. Names are
// plain object names under the destination, without any '/'.
#ifndef VOLSTREAM_STAGES_STORAGE_H_
#define VOLSTREAM_STAGES_STORAGE_H_

#include <cstdint>
#include <functional>
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
#include "stages/storage_lock.h"

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

using ObjectVisitor = std::function<absl::Status(ObjectInfo object)>;
using RemovalFailure = std::function<void(const std::string& name, const absl::Status& reason)>;

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

  // Gives `visit` the objects directly under the destination whose names begin with name_prefix,
  // in no order that can be relied on, without holding more than a page of them. Unfinished objects
  // and locks are never among them. What `visit` returns ends the walk unless it is OK.
  virtual absl::Status ForEach(std::string_view name_prefix, const ObjectVisitor& visit) = 0;

  // The same as a list, sorted by name.
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view name_prefix);

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

  // Removes the named objects; a name that is not there is no error. What stays is given to
  // `failed`, with the reason, and does not keep the others from being removed. An error means that
  // nothing is known of the rest.
  virtual absl::Status RemoveEach(const std::vector<std::string>& names,
                                  const RemovalFailure& failed) = 0;

  // The same; the first reason as the error, with the number of those behind it.
  absl::Status Remove(const std::vector<std::string>& names);

  // Why the object must not be removed yet, as a person reads it ("locked until 2030-01-01 ..."):
  // an Object Lock. Empty if nothing stands against it.
  virtual absl::StatusOr<std::string> HeldBy(std::string_view /*name*/) { return std::string(); }

  // What people should know of removals here: that a versioned bucket keeps what was removed.
  // Usually empty.
  virtual std::string RemovalNote() { return ""; }

  // Takes the lock of `stem`, or fails with ErrorKind::kBusy because another run has it. The
  // storage must outlive it.
  virtual absl::StatusOr<std::unique_ptr<StorageLock>> Lock(std::string_view stem) = 0;
  // The locks that are there; of one stem unless it is empty.
  virtual absl::StatusOr<std::vector<LockInfo>> Locks(std::string_view stem) = 0;
  // Removes the lock of `stem`, whoever has it; where that is a process that is seen to hold it,
  // fails with ErrorKind::kBusy.
  virtual absl::Status BreakLock(std::string_view stem) = 0;

  // Removes what dead runs left of unfinished archives and receipts of `stem` (of every stem if it
  // is empty): where liveness cannot be seen (S3 uploads), only those begun before `older_than`.
  // Returns a line for each thing removed.
  virtual absl::StatusOr<std::vector<std::string>> RemoveStale(std::string_view stem,
                                                               absl::Time older_than) = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STORAGE_H_
