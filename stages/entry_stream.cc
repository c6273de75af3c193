#include "stages/entry_stream.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/index_page.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// Entries go from thread to thread in batches, of which so many wait.
constexpr size_t kBatchEntries = 512;
constexpr size_t kMaxBatches = 4;
// A hard link to a hard link is damage; this ends a circle of them.
constexpr int kMaxLinkSteps = 8;

// What `find` knows of the link's target, under the link's path.
template <typename Find>
absl::StatusOr<EntryInfo> ResolveBy(const Find& find, const EntryInfo& link) {
  std::string target = link.link_target;
  for (int step = 0; step < kMaxLinkSteps; ++step) {
    VS_ASSIGN_OR_RETURN(std::optional<EntryInfo> found, find(target));
    if (!found.has_value()) break;
    if (found->type != TarType::kHardLink) {
      found->path = link.path;
      return *std::move(found);
    }
    target = found->link_target;
  }
  return link;
}

// A walk of an index, turned from calls into a stream by a thread.
class IndexStream : public EntryStream {
 public:
  explicit IndexStream(ArchiveListing* archive)
      : archive_(*archive), thread_([this] { Produce(); }) {}

  ~IndexStream() override {
    {
      MutexLock lock(&mu_);
      stop_ = true;
    }
    thread_.join();
  }

  absl::StatusOr<const EntryInfo*> Next() override {
    if (at_ == batch_.size()) VS_RETURN_IF_ERROR(TakeBatch());
    if (batch_.empty()) return nullptr;
    const EntryInfo* const entry = &batch_[at_++];
    // Else the comparison would tell nonsense.
    if (begun_ && ComparePaths(last_path_, entry->path) >= 0) {
      return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(archive_.file()->Url(), ": the index is damaged: ",
                                    PrintablePath(entry->path), " is not in its order"));
    }
    begun_ = true;
    last_path_ = entry->path;
    return entry;
  }

  absl::StatusOr<EntryInfo> Resolve(const EntryInfo& link) override {
    // The thread is at work on the other one.
    if (lookup_ == nullptr) {
      VS_ASSIGN_OR_RETURN(lookup_, ArchiveIndex::Open(archive_.file()));
    }
    return ResolveBy(
        [this](const std::string& path) -> absl::StatusOr<std::optional<EntryInfo>> {
          VS_ASSIGN_OR_RETURN(std::optional<IndexedEntry> found, lookup_->Find(path));
          if (!found.has_value()) return std::nullopt;
          return std::optional<EntryInfo>(*std::move(found));
        },
        link);
  }

  bool exact_times() const override { return true; }

 private:
  using Batch = std::vector<EntryInfo>;

  void Produce() ABSL_LOCKS_EXCLUDED(mu_) {
    Batch batch;
    absl::Status status = archive_.ForEach({""}, [&](const EntryInfo& entry) {
      batch.push_back(entry);
      return batch.size() < kBatchEntries || Put(std::exchange(batch, {})) ? absl::OkStatus()
                                                                           : StopVisiting();
    });
    if (status.ok() && !batch.empty()) Put(std::move(batch));
    MutexLock lock(&mu_);
    end_ = std::move(status);
  }

  // False if nobody wants more.
  bool Put(Batch batch) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    mu_.Await(
        [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || batches_.size() < kMaxBatches; });
    if (!stop_) batches_.push_back(std::move(batch));
    return !stop_;
  }

  // An empty one at the end.
  absl::Status TakeBatch() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    mu_.Await([this]()
                  ABSL_NO_THREAD_SAFETY_ANALYSIS { return !batches_.empty() || end_.has_value(); });
    at_ = 0;
    batch_.clear();
    if (batches_.empty()) return *end_;
    batch_ = std::move(batches_.front());
    batches_.pop_front();
    return absl::OkStatus();
  }

  ArchiveListing& archive_;
  std::unique_ptr<ArchiveIndex> lookup_;
  Batch batch_;
  size_t at_ = 0;
  bool begun_ = false;
  std::string last_path_;
  Mutex mu_;
  std::deque<Batch> batches_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // once all is put
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses the rest
};

// All entries in memory, sorted; of several of one path the last, which a restore leaves.
class SortedStream : public EntryStream {
 public:
  static absl::StatusOr<std::unique_ptr<EntryStream>> Make(ArchiveListing* archive) {
    auto stream = std::make_unique<SortedStream>();
    std::vector<EntryInfo>& entries = stream->entries_;
    uint64_t bytes = 0;
    VS_RETURN_IF_ERROR(archive->ForEach({""}, [&](const EntryInfo& entry) {
      // tar's way to say that a file was named twice.
      if (entry.type == TarType::kHardLink && entry.link_target == entry.path) {
        return absl::OkStatus();
      }
      bytes += sizeof(EntryInfo) + entry.path.size() + entry.link_target.size();
      if (bytes > kMaxSortedBytes) {
        return absl::ResourceExhaustedError(absl::StrCat(
            archive->file()->Url(), " is not sorted and has too many entries to sort in ",
            kMaxSortedBytes / kMiB, " MiB: compare what `volstream ls` prints, sorted"));
      }
      entries.push_back(entry);
      return absl::OkStatus();
    }));
    std::stable_sort(entries.begin(), entries.end(), [](const EntryInfo& a, const EntryInfo& b) {
      return ComparePaths(a.path, b.path) < 0;
    });
    return stream;
  }

  absl::StatusOr<const EntryInfo*> Next() override {
    while (at_ + 1 < entries_.size() && entries_[at_].path == entries_[at_ + 1].path) ++at_;
    return at_ < entries_.size() ? &entries_[at_++] : nullptr;
  }

  absl::StatusOr<EntryInfo> Resolve(const EntryInfo& link) override {
    return ResolveBy(
        [this](const std::string& path) -> absl::StatusOr<std::optional<EntryInfo>> {
          const auto behind = std::upper_bound(
              entries_.begin(), entries_.end(), path,
              [](const std::string& a, const EntryInfo& b) { return ComparePaths(a, b.path) < 0; });
          if (behind == entries_.begin() || std::prev(behind)->path != path) return std::nullopt;
          return std::optional<EntryInfo>(*std::prev(behind));
        },
        link);
  }

  bool exact_times() const override { return false; }

 private:
  std::vector<EntryInfo> entries_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EntryStream>> EntryStream::OfArchive(ArchiveListing* archive) {
  if (!archive->sorted()) return SortedStream::Make(archive);
  return std::make_unique<IndexStream>(archive);
}

}  // namespace volstream
