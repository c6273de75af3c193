#include "stages/selected_tar.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"
#include "stages/foreign_tar_reader.h"
#include "stages/tar_reader.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// Fetching so much in vain costs less than another request.
constexpr uint64_t kMaxGapBytes = 256 * kKiB;

class SelectedEntries : public EntryReader {
 public:
  SelectedEntries(const ArchiveFile* file, bool own_tar, std::unique_ptr<SelectedTar> tar,
                  PathSelection selection, std::function<void(std::string_view)> on_warning)
      : file_(*file),
        own_tar_(own_tar),
        tar_(std::move(tar)),
        selection_(std::move(selection)),
        on_warning_(std::move(on_warning)) {}

  absl::StatusOr<const RestoreEntry*> Next() override {
    while (true) {
      if (reader_ == nullptr && !OpenRange()) return nullptr;
      const absl::StatusOr<const RestoreEntry*> entry = reader_->Next();
      if (!entry.ok()) return file_.Located(entry.status());
      if (*entry == nullptr) {
        reader_.reset();
        if (left_ > 0) return Disagree("an entry of the index is not there");
        continue;
      }
      if (left_-- == 0) return Disagree("an entry is there that the index has not");
      const auto borrowed = tar_->borrowed().find((*entry)->path);
      if (borrowed != tar_->borrowed().end()) return Renamed(**entry, borrowed->second);
      if (!selection_.Selects((*entry)->path)) {
        return Disagree(absl::StrCat("another entry than the index has, ",
                                     PrintablePath((*entry)->path), ", is there"));
      }
      if ((*entry)->type != TarType::kHardLink) return *entry;
      const auto target = tar_->borrowed().find((*entry)->link_target);
      if (target == tar_->borrowed().end()) return *entry;
      // The first link has come already, as the file.
      if (target->second == (*entry)->path) continue;
      renamed_ = **entry;
      renamed_.link_target = target->second;
      return &renamed_;
    }
  }

  absl::StatusOr<EntryData> NextData() override {
    absl::StatusOr<EntryData> data = reader_->NextData();
    if (!data.ok()) return file_.Located(data.status());
    return data;
  }

 private:
  bool OpenRange() {
    const size_t range = next_range_++;
    if (!tar_->NextRange()) return false;
    left_ = tar_->ranges()[range].entries;
    if (own_tar_) {
      reader_ = TarReader::Make(tar_.get(), tar_->ranges()[range].begin, /*fragment=*/true);
    } else {
      reader_ = ForeignTarReader::Make(tar_.get(), on_warning_);
    }
    return true;
  }

  const RestoreEntry* Renamed(const RestoreEntry& entry, const std::string& path) {
    renamed_ = entry;
    renamed_.path = path;
    return &renamed_;
  }

  absl::Status Disagree(std::string_view what) const {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(file_.Url(), ": the index and the tar disagree: ", ToAbsl(what),
                                  "; restore all of it, which needs no index"));
  }

  const ArchiveFile& file_;
  const bool own_tar_;
  const std::unique_ptr<SelectedTar> tar_;
  const PathSelection selection_;
  const std::function<void(std::string_view)> on_warning_;
  size_t next_range_ = 0;
  uint64_t left_ = 0;  // entries of the range
  std::unique_ptr<EntryReader> reader_;
  RestoreEntry renamed_;
};

}  // namespace

absl::Status SelectedTar::Select(ArchiveIndex* index, PathSelection* selection, bool borrow) {
  const auto add = [this](const EntryPlace& place) {
    if (!ranges_.empty() && ranges_.back().end == place.tar_offset) {
      ranges_.back().end = place.end_offset();
      ++ranges_.back().entries;
    } else {
      ranges_.push_back({place.tar_offset, place.end_offset(), 1});
    }
  };
  for (const std::string& root : selection->Roots()) {
    VS_RETURN_IF_ERROR(index->ForEachUnder(root, [&](const IndexedEntry& entry) {
      if (!selection->SelectsAndNotes(entry.path)) return absl::OkStatus();
      add(entry.place);
      if (borrow && entry.type == TarType::kHardLink && !selection->Selects(entry.link_target)) {
        borrowed_.emplace(entry.link_target, entry.path);
      }
      return absl::OkStatus();
    }));
  }
  for (auto link = borrowed_.begin(); link != borrowed_.end();) {
    VS_ASSIGN_OR_RETURN(const std::optional<IndexedEntry> target, index->Find(link->first));
    // Without its file the link comes as it is, and whoever makes it says what is missing.
    if (!target.has_value() || target->type != TarType::kFile) {
      link = borrowed_.erase(link);
      continue;
    }
    ranges_.push_back({target->place.tar_offset, target->place.end_offset(), 1});
    ++link;
  }
  std::sort(ranges_.begin(), ranges_.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  return absl::OkStatus();
}

absl::Status SelectedTar::FindRuns(ArchiveIndex* index, std::vector<MemberRun>* members) {
  for (const Range& range : ranges_) {
    VS_ASSIGN_OR_RETURN(const std::vector<MemberExtent> found,
                        index->MembersOf(range.begin, range.end));
    if (found.empty()) {
      return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(index->file()->Url(),
                                    ": the index is damaged: it names no "
                                    "member that holds an entry"));
    }
    const uint64_t archive_begin = found.front().archive_offset;
    const uint64_t archive_end = found.back().archive_offset + found.back().archive_bytes;
    const uint64_t tar_end = found.back().tar_offset + found.back().tar_bytes;
    if (!runs_.empty()) {
      MemberRun& last = members->back();
      const uint64_t last_end = last.archive_offset + last.archive_bytes;
      if (archive_begin <= last_end + kMaxGapBytes) {
        if (archive_end > last_end) {
          last.archive_bytes = archive_end - last.archive_offset;
          runs_.back().end = tar_end;
        }
        continue;
      }
    }
    members->push_back({archive_begin, archive_end - archive_begin});
    runs_.push_back({found.front().tar_offset, tar_end});
  }
  return absl::OkStatus();
}

absl::Status SelectedTar::Fetch(ArchiveIndex* index, MemberInputOptions options) {
  options.runs.clear();
  VS_RETURN_IF_ERROR(FindRuns(index, &options.runs));
  if (options.runs.empty()) return absl::OkStatus();
  options.format = index->footer().format;
  options.max_member_bytes = index->footer().max_member_bytes;
  options.max_member_tar_bytes = index->footer().max_member_tar_bytes;
  VS_ASSIGN_OR_RETURN(input_, MemberInput::Open(index->file(), std::move(options)));
  position_ = runs_.front().begin;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SelectedTar>> SelectedTar::Open(ArchiveIndex* index,
                                                               PathSelection* selection,
                                                               bool borrow,
                                                               MemberInputOptions options) {
  std::unique_ptr<SelectedTar> tar(new SelectedTar());
  VS_RETURN_IF_ERROR(tar->Select(index, selection, borrow));
  VS_RETURN_IF_ERROR(tar->Fetch(index, std::move(options)));
  return tar;
}

absl::StatusOr<std::unique_ptr<SelectedTar>> SelectedTar::OpenRanges(ArchiveIndex* index,
                                                                     std::vector<Range> ranges,
                                                                     MemberInputOptions options) {
  std::unique_ptr<SelectedTar> tar(new SelectedTar());
  tar->ranges_ = std::move(ranges);
  VS_RETURN_IF_ERROR(tar->Fetch(index, std::move(options)));
  return tar;
}

bool SelectedTar::NextRange() {
  if (next_range_ == ranges_.size()) return false;
  ++next_range_;
  return true;
}

absl::StatusOr<SharedBytes> SelectedTar::Next() {
  VS_CHECK(next_range_ > 0);
  const Range& range = ranges_[next_range_ - 1];
  while (position_ < range.end) {
    if (position_ == runs_[run_].end) {
      if (++run_ == runs_.size()) break;
      position_ = runs_[run_].begin;
      continue;
    }
    if (pending_.bytes.empty()) {
      VS_ASSIGN_OR_RETURN(pending_, input_->Next());
      if (pending_.bytes.empty()) break;
    }
    const uint64_t stop = std::min(range.end, runs_[run_].end);
    const uint64_t skip = std::min<uint64_t>({range.begin > position_ ? range.begin - position_ : 0,
                                              stop - position_, pending_.bytes.size()});
    const size_t count =
        static_cast<size_t>(std::min<uint64_t>(pending_.bytes.size(), stop - position_) - skip);
    const SharedBytes piece{pending_.bytes.subspan(skip, count), pending_.owner};
    pending_.bytes = pending_.bytes.subspan(skip + count);
    if (pending_.bytes.empty()) pending_.owner.reset();
    position_ += skip + count;
    if (count > 0) return piece;
  }
  if (position_ >= range.end) return SharedBytes();
  return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                   "the index is damaged: the members hold less of the tar than it says");
}

absl::StatusOr<std::unique_ptr<EntryReader>> ReadSelectedEntries(
    ArchiveIndex* index, PathSelection selection, MemberInputOptions options,
    std::function<void(std::string_view)> on_warning) {
  VS_ASSIGN_OR_RETURN(std::unique_ptr<SelectedTar> tar,
                      SelectedTar::Open(index, &selection, /*borrow=*/true, std::move(options)));
  return std::make_unique<SelectedEntries>(index->file(), index->footer().own_tar, std::move(tar),
                                           std::move(selection), std::move(on_warning));
}

}  // namespace volstream
