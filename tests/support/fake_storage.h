// FakeStorage: a destination in memory, with faults that a test sets beforehand and a log of what
// was asked of it.
//
// Threads: as Storage; the public fields are set before the first use.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAKE_STORAGE_H_
#define VOLSTREAM_TESTS_SUPPORT_FAKE_STORAGE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "engine/notification.h"
#include "stages/storage.h"

namespace volstream {

class FakeStorage : public Storage {
 public:
  // What the calls answer when not OK.
  struct Faults {
    absl::Status check, list, stat, new_sink, read_all, read_at, write, remove, remove_stale, lock;
    absl::Status begin, put, finish;  // of its sinks
  };

  explicit FakeStorage(std::string url = "fake://bucket/") : url_(std::move(url)) {}

  Faults faults;
  // Names that cannot be removed, and those that ReadAll and HeldBy refuse, each with its reason;
  // and what HeldBy says of a name.
  std::map<std::string, absl::Status> unremovable;
  std::map<std::string, absl::Status> unreadable;
  std::map<std::string, std::string> held_by;
  PartLimits limits;
  // Runs before each ReadAt, on its thread; what it returns is the answer unless it is OK.
  std::function<absl::Status(uint64_t offset, size_t bytes)> on_read_at;
  // Puts are not done before the sink is cancelled.
  bool hold_puts = false;

  // Adds or replaces an object.
  void Set(std::string name, std::string contents) ABSL_LOCKS_EXCLUDED(mu_);
  // Contents by name.
  std::map<std::string, std::string> objects() const ABSL_LOCKS_EXCLUDED(mu_);
  // What was done, in order: "begin NAME", "finish NAME", "abort NAME", "write NAME",
  // "remove NAME".
  std::vector<std::string> log() const ABSL_LOCKS_EXCLUDED(mu_);
  // Stems that are locked now, and whether they were refreshed since they were taken.
  std::map<std::string, bool> locks() const ABSL_LOCKS_EXCLUDED(mu_);
  // Returns once a part has reached a sink.
  void WaitForPut() const { put_.WaitForNotification(); }

  StorageKind kind() const override { return StorageKind::kS3; }
  std::string Url() const override { return url_; }
  std::string UrlOf(std::string_view name) const override { return std::string(url_).append(name); }
  PartLimits part_limits() const override { return limits; }
  absl::Status Check() override { return faults.check; }
  absl::Status ForEach(std::string_view name_prefix, const ObjectVisitor& visit) override;
  absl::StatusOr<ObjectInfo> Stat(std::string_view name) override;
  absl::StatusOr<std::unique_ptr<PartSink>> NewSink(std::string_view name) override;
  absl::StatusOr<std::string> ReadAll(std::string_view name) override;
  absl::Status Write(std::string_view name, std::string_view contents) override;
  absl::StatusOr<size_t> ReadAt(std::string_view name, uint64_t offset,
                                MutableByteSpan out) override;
  absl::Status RemoveEach(const std::vector<std::string>& names,
                          const RemovalFailure& failed) override;
  absl::StatusOr<std::string> HeldBy(std::string_view name) override;
  absl::StatusOr<std::unique_ptr<StorageLock>> Lock(std::string_view stem) override;
  absl::StatusOr<std::vector<LockInfo>> Locks(std::string_view stem) override;
  absl::Status BreakLock(std::string_view stem) override;
  absl::StatusOr<std::vector<std::string>> RemoveStale(std::string_view name_prefix,
                                                       absl::Time older_than) override;

 private:
  class Sink;
  class HeldLock;
  void Note(std::string_view verb, std::string_view name) ABSL_LOCKS_EXCLUDED(mu_);
  void NotePut() ABSL_LOCKS_EXCLUDED(mu_);

  const std::string url_;
  mutable Mutex mu_;
  std::map<std::string, std::string> objects_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> log_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, bool> locks_ ABSL_GUARDED_BY(mu_);
  Notification put_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAKE_STORAGE_H_
