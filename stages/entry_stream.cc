#include "stages/entry_stream.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/index_page.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

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

class IndexStream : public EntryStream {
 public:
  explicit IndexStream(ArchiveIndex* index) : index_(index), cursor_(index->Entries()) {}

  absl::StatusOr<const EntryInfo*> Next() override {
    VS_ASSIGN_OR_RETURN(const IndexedEntry* entry, cursor_.Next());
    if (entry == nullptr) return nullptr;
    // Else the comparison would tell nonsense.
    if (begun_ && ComparePaths(last_path_, entry->path) >= 0) {
      return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(index_->file()->Url(), ": the index is damaged: ",
                                    PrintablePath(entry->path), " is not in its order"));
    }
    begun_ = true;
    last_path_ = entry->path;
    return entry;
  }

  absl::StatusOr<EntryInfo> Resolve(const EntryInfo& link) override {
    // The cursor is at work on the other one, and each has a window of its own.
    if (lookup_ == nullptr) {
      VS_ASSIGN_OR_RETURN(lookup_, ArchiveIndex::Open(index_->file()));
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
  ArchiveIndex* const index_;
  ArchiveIndex::Cursor cursor_;
  std::unique_ptr<ArchiveIndex> lookup_;
  bool begun_ = false;
  std::string last_path_;
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
  return std::make_unique<IndexStream>(archive->index());
}

}  // namespace volstream
