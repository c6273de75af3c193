#include "tests/support/fake_storage.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"

namespace volstream {

class FakeStorage::Sink : public PartSink {
 public:
  Sink(FakeStorage* storage, std::string name) : storage_(storage), name_(std::move(name)) {}

  std::string Describe() const override { return storage_->UrlOf(name_); }

  absl::Status Begin(const StreamShape& shape) override {
    (void)shape;
    storage_->Note("begin", name_);
    return storage_->faults.begin;
  }

  void Put(std::shared_ptr<const Part> part, Done done) override {
    absl::Status status = storage_->faults.put;
    {
      MutexLock lock(&mu_);
      if (cancelled_) status = absl::CancelledError("cancelled");
      if (status.ok() && storage_->hold_puts) {
        held_.push_back(std::move(done));
      } else if (status.ok()) {
        const ByteSpan bytes = part->data();
        parts_[part->offset].assign(bytes.begin(), bytes.end());
      }
    }
    part.reset();
    if (done) done(std::move(status));
    storage_->NotePut();
  }

  void Cancel() override {
    std::vector<Done> held;
    {
      MutexLock lock(&mu_);
      cancelled_ = true;
      held.swap(held_);
    }
    for (const Done& done : held) done(absl::CancelledError("cancelled"));
  }

  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override {
    if (!storage_->faults.finish.ok()) return storage_->faults.finish;
    std::string whole;
    {
      MutexLock lock(&mu_);
      for (const auto& [offset, bytes] : parts_) {
        if (offset != whole.size()) return absl::DataLossError("the parts do not meet");
        whole += bytes;
      }
    }
    if (whole.size() != summary.bytes) return absl::DataLossError("another size");
    storage_->Set(name_, std::move(whole));
    storage_->Note("finish", name_);
    return absl::StrCat("etag-of-", name_);
  }

  absl::Status Abort() override {
    storage_->Note("abort", name_);
    return absl::OkStatus();
  }

 private:
  FakeStorage* const storage_;
  const std::string name_;
  Mutex mu_;
  std::map<uint64_t, std::string> parts_ ABSL_GUARDED_BY(mu_);  // by offset
  std::vector<Done> held_ ABSL_GUARDED_BY(mu_);
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

void FakeStorage::Set(std::string name, std::string contents) {
  MutexLock lock(&mu_);
  objects_[std::move(name)] = std::move(contents);
}

std::map<std::string, std::string> FakeStorage::objects() const {
  MutexLock lock(&mu_);
  return objects_;
}

std::vector<std::string> FakeStorage::log() const {
  MutexLock lock(&mu_);
  return log_;
}

void FakeStorage::Note(std::string_view verb, std::string_view name) {
  MutexLock lock(&mu_);
  log_.push_back(std::string(verb).append(" ").append(name));
}

void FakeStorage::NotePut() {
  MutexLock lock(&mu_);
  if (!put_.HasBeenNotified()) put_.Notify();
}

absl::Status FakeStorage::ForEach(std::string_view name_prefix, const ObjectVisitor& visit) {
  if (!faults.list.ok()) return faults.list;
  for (const auto& [name, contents] : objects()) {
    if (!name.starts_with(name_prefix)) continue;
    VS_RETURN_IF_ERROR(visit(ObjectInfo{name, contents.size(), absl::UnixEpoch(), ""}));
  }
  return absl::OkStatus();
}

absl::StatusOr<ObjectInfo> FakeStorage::Stat(std::string_view name) {
  if (!faults.stat.ok()) return faults.stat;
  MutexLock lock(&mu_);
  const auto found = objects_.find(std::string(name));
  if (found == objects_.end()) return absl::NotFoundError(UrlOf(name));
  return ObjectInfo{found->first, found->second.size(), absl::UnixEpoch(), ""};
}

absl::StatusOr<std::unique_ptr<PartSink>> FakeStorage::NewSink(std::string_view name) {
  if (!faults.new_sink.ok()) return faults.new_sink;
  return std::make_unique<Sink>(this, std::string(name));
}

absl::StatusOr<std::string> FakeStorage::ReadAll(std::string_view name) {
  if (!faults.read_all.ok()) return faults.read_all;
  if (const auto refused = unreadable.find(std::string(name)); refused != unreadable.end()) {
    return refused->second;
  }
  MutexLock lock(&mu_);
  const auto found = objects_.find(std::string(name));
  if (found == objects_.end()) return absl::NotFoundError(UrlOf(name));
  return found->second;
}

absl::Status FakeStorage::Write(std::string_view name, std::string_view contents) {
  if (!faults.write.ok()) return faults.write;
  Set(std::string(name), std::string(contents));
  Note("write", name);
  return absl::OkStatus();
}

absl::StatusOr<size_t> FakeStorage::ReadAt(std::string_view name, uint64_t offset,
                                           MutableByteSpan out) {
  if (!faults.read_at.ok()) return faults.read_at;
  if (on_read_at) VS_RETURN_IF_ERROR(on_read_at(offset, out.size()));
  MutexLock lock(&mu_);
  const auto found = objects_.find(std::string(name));
  if (found == objects_.end()) return absl::NotFoundError(UrlOf(name));
  if (offset >= found->second.size()) return size_t{0};
  const size_t count = std::min<size_t>(out.size(), found->second.size() - offset);
  std::memcpy(out.data(), found->second.data() + offset, count);
  return count;
}

absl::Status FakeStorage::RemoveEach(const std::vector<std::string>& names,
                                     const RemovalFailure& failed) {
  if (!faults.remove.ok()) return faults.remove;
  for (const std::string& name : names) {
    if (const auto found = unremovable.find(name); found != unremovable.end()) {
      failed(name, found->second);
      continue;
    }
    Note("remove", name);
    MutexLock lock(&mu_);
    objects_.erase(name);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FakeStorage::HeldBy(std::string_view name) {
  if (const auto refused = unreadable.find(std::string(name)); refused != unreadable.end()) {
    return refused->second;
  }
  const auto found = held_by.find(std::string(name));
  return found == held_by.end() ? "" : found->second;
}

class FakeStorage::HeldLock : public StorageLock {
 public:
  HeldLock(FakeStorage* storage, std::string stem) : storage_(storage), stem_(std::move(stem)) {}

  absl::Status Refresh() override {
    MutexLock lock(&storage_->mu_);
    const auto found = storage_->locks_.find(stem_);
    if (found == storage_->locks_.end()) return absl::AbortedError("the lock was removed");
    found->second = true;
    return absl::OkStatus();
  }

  absl::Status Release() override {
    MutexLock lock(&storage_->mu_);
    storage_->locks_.erase(stem_);
    return absl::OkStatus();
  }

 private:
  FakeStorage* const storage_;
  const std::string stem_;
};

std::map<std::string, bool> FakeStorage::locks() const {
  MutexLock lock(&mu_);
  return locks_;
}

absl::StatusOr<std::unique_ptr<StorageLock>> FakeStorage::Lock(std::string_view stem) {
  if (!faults.lock.ok()) return faults.lock;
  MutexLock lock(&mu_);
  if (!locks_.try_emplace(std::string(stem), false).second) {
    LockInfo info;
    info.stem = std::string(stem);
    info.url = UrlOf(LockNameOf(stem));
    return LockHeldError(info, url_);
  }
  return std::make_unique<HeldLock>(this, std::string(stem));
}

absl::StatusOr<std::vector<LockInfo>> FakeStorage::Locks(std::string_view stem) {
  std::vector<LockInfo> infos;
  for (const auto& [name, refreshed] : locks()) {
    if (!stem.empty() && name != stem) continue;
    LockInfo info;
    info.stem = name;
    info.held = true;
    infos.push_back(info);
  }
  return infos;
}

absl::Status FakeStorage::BreakLock(std::string_view stem) {
  MutexLock lock(&mu_);
  locks_.erase(std::string(stem));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FakeStorage::RemoveStale(std::string_view name_prefix,
                                                                  absl::Time older_than) {
  (void)name_prefix;
  (void)older_than;
  if (!faults.remove_stale.ok()) return faults.remove_stale;
  return std::vector<std::string>();
}

}  // namespace volstream
