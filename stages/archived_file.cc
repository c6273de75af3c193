#include "stages/archived_file.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/member_input.h"
#include "stages/path_selection.h"
#include "stages/selected_tar.h"
#include "stages/tar_reader.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// A hard link to a hard link is damage; this ends a circle of them.
constexpr int kMaxLinkSteps = 8;
constexpr size_t kZeroBytes = 64 * kKiB;

absl::Status Damaged(const ArchiveFile& file, std::string_view path, std::string_view what) {
  return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                   absl::StrCat(file.Url(), ": ", PrintablePath(path), ": ", std::string(what)));
}

absl::Status GiveZeros(uint64_t count, const ContentVisitor& visit) {
  static const std::vector<uint8_t> zeros(kZeroBytes);
  while (count > 0) {
    const ByteSpan piece = ByteSpan(zeros).first(std::min<uint64_t>(count, zeros.size()));
    VS_RETURN_IF_ERROR(visit(piece));
    count -= piece.size();
  }
  return absl::OkStatus();
}

// All content of the reader's current entry.
absl::Status GiveContent(const ArchiveFile& file, const EntryInfo& entry, EntryReader* reader,
                         const ContentVisitor& visit) {
  uint64_t at = 0;
  while (true) {
    VS_ASSIGN_OR_RETURN(const EntryData data, reader->NextData());
    const uint64_t bytes = data.content.bytes.size();
    if (bytes == 0) break;
    if (data.offset < at || data.offset > entry.bytes || bytes > entry.bytes - data.offset) {
      return Damaged(file, entry.path, "its pieces do not fit together");
    }
    VS_RETURN_IF_ERROR(GiveZeros(data.offset - at, visit));
    VS_RETURN_IF_ERROR(visit(data.content.bytes));
    at = data.offset + bytes;
  }
  return GiveZeros(entry.bytes - at, visit);
}

absl::Status ReadByIndex(ArchiveListing* archive, const IndexedEntry& entry, uint64_t memory_bytes,
                         const ContentVisitor& visit) {
  const ArchiveFile& file = *archive->file();
  const EntryPlace& place = entry.place;
  MemberInputOptions options;
  options.memory_bytes = memory_bytes;
  VS_ASSIGN_OR_RETURN(
      const std::unique_ptr<SelectedTar> tar,
      SelectedTar::OpenRanges(archive->index(), {{place.tar_offset, place.end_offset(), 1}},
                              std::move(options)));
  tar->NextRange();
  const std::unique_ptr<TarReader> reader =
      TarReader::Make(tar.get(), place.tar_offset, /*fragment=*/true);
  VS_ASSIGN_OR_RETURN(const RestoreEntry* found, reader->Next());
  if (found == nullptr || *static_cast<const EntryInfo*>(found) != entry) {
    return Damaged(file, entry.path, "the archive has something else where its index says it is");
  }
  if (!reader->odd().empty()) {
    return absl::UnimplementedError(absl::StrCat(file.Url(), ": ", PrintablePath(entry.path),
                                                 " cannot be read by itself: ", reader->odd(),
                                                 "; restore it instead"));
  }
  return GiveContent(file, entry, reader.get(), visit);
}

// A hard link to itself is tar's way to say that a file was named twice.
bool IsSelfLink(const EntryInfo& entry) {
  return entry.type == TarType::kHardLink && entry.link_target == entry.path;
}

// By path.
using Found = absl::flat_hash_map<std::string, ArchivedFile>;

// The last entry of each path.
absl::Status LookFor(ArchiveListing* archive, const std::vector<std::string>& paths, Found* found) {
  if (archive->index() != nullptr && archive->sorted()) {
    for (const std::string& path : paths) {
      VS_ASSIGN_OR_RETURN(std::optional<IndexedEntry> entry, archive->index()->Find(path));
      if (entry.has_value()) (*found)[path] = ArchivedFile{*std::move(entry), 0};
    }
    return absl::OkStatus();
  }
  const absl::flat_hash_set<std::string> wanted(paths.begin(), paths.end());
  uint64_t position = 0;
  if (archive->index() != nullptr) {
    return archive->index()->ForEach([&](const IndexedEntry& entry) {
      const std::string path = PlainPath(entry.path);
      if (wanted.contains(path) && !IsSelfLink(entry)) (*found)[path] = ArchivedFile{entry, 0};
      return absl::OkStatus();
    });
  }
  return archive->ReadThrough([&](const RestoreEntry& entry, EntryReader*) {
    const std::string path = PlainPath(entry.path);
    if (wanted.contains(path) && !IsSelfLink(entry)) {
      ArchivedFile& file = (*found)[path];
      *static_cast<EntryInfo*>(&file.entry) = entry;
      file.position = position;
    }
    ++position;
    return absl::OkStatus();
  });
}

absl::Status CheckIsFile(const ArchiveFile& file, const std::string& path, const EntryInfo& entry) {
  if (entry.type == TarType::kFile) return absl::OkStatus();
  const std::string name = PrintablePath(path);
  std::string what = "is a device or a FIFO, which has no content";
  if (entry.type == TarType::kDirectory) {
    what = "is a directory: give the files in it";
  } else if (entry.type == TarType::kSymlink) {
    what = absl::StrCat("is a symlink to ", PrintablePath(entry.link_target),
                        ": give the file that it leads to");
  } else if (entry.type == TarType::kHardLink) {
    what = absl::StrCat("is a hard link to ", PrintablePath(entry.link_target),
                        ", which is not in the archive");
  }
  return absl::FailedPreconditionError(
      absl::StrCat(name.empty() ? "." : name, " of ", file.Url(), " ", what));
}

}  // namespace

absl::StatusOr<std::vector<ArchivedFile>> FindFiles(ArchiveListing* archive,
                                                    const std::vector<std::string>& paths) {
  std::vector<std::string> plain;
  for (const std::string& path : paths) plain.push_back(PlainPath(path));
  Found found;
  VS_RETURN_IF_ERROR(LookFor(archive, plain, &found));
  std::vector<std::string> missing;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!found.contains(plain[i])) missing.push_back(PrintablePath(paths[i]));
  }
  if (!missing.empty()) {
    return absl::NotFoundError(absl::StrCat("not in ", archive->file()->Url(), ": ",
                                            absl::StrJoin(missing, ", "),
                                            ": see `volstream ls` for what is there"));
  }
  for (int step = 0; step < kMaxLinkSteps; ++step) {
    std::vector<std::string> targets;
    for (const std::string& path : plain) {
      const EntryInfo& entry = found.at(path).entry;
      if (entry.type == TarType::kHardLink) targets.push_back(PlainPath(entry.link_target));
    }
    if (targets.empty()) break;
    Found linked;
    VS_RETURN_IF_ERROR(LookFor(archive, targets, &linked));
    for (const std::string& path : plain) {
      ArchivedFile& file = found.at(path);
      if (file.entry.type != TarType::kHardLink) continue;
      const auto target = linked.find(PlainPath(file.entry.link_target));
      if (target != linked.end()) file = ArchivedFile(target->second);
    }
  }
  std::vector<ArchivedFile> files;
  for (const std::string& path : plain) {
    files.push_back(found.at(path));
    VS_RETURN_IF_ERROR(CheckIsFile(*archive->file(), path, files.back().entry));
  }
  return files;
}

absl::Status ReadFile(ArchiveListing* archive, const ArchivedFile& file, uint64_t memory_bytes,
                      const ContentVisitor& visit) {
  if (archive->index() != nullptr) return ReadByIndex(archive, file.entry, memory_bytes, visit);
  uint64_t position = 0;
  return archive->ReadThrough([&](const RestoreEntry& entry, EntryReader* reader) {
    if (position++ != file.position) return absl::OkStatus();
    VS_RETURN_IF_ERROR(GiveContent(*archive->file(), entry, reader, visit));
    return StopVisiting();
  });
}

}  // namespace volstream
