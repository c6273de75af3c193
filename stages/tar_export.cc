#include "stages/tar_export.h"

#include <array>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_index.h"
#include "stages/selected_tar.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

using Visitor = std::function<absl::Status(ByteSpan bytes)>;

absl::Status GiveAll(TarInput* input, const Visitor& visit) {
  while (true) {
    VS_ASSIGN_OR_RETURN(const SharedBytes piece, input->Next());
    if (piece.bytes.empty()) return absl::OkStatus();
    VS_RETURN_IF_ERROR(visit(piece.bytes));
  }
}

absl::StatusOr<std::vector<std::string>> GiveSelected(ArchiveFile* file, PathSelection* selection,
                                                      const ReadOptions& options,
                                                      const Visitor& visit) {
  absl::StatusOr<std::unique_ptr<ArchiveIndex>> index = ArchiveIndex::Open(file);
  if (absl::IsNotFound(index.status()) || (index.ok() && (*index)->footer().raw)) {
    return absl::FailedPreconditionError(
        absl::StrCat(file->Url(),
                     " has no index of entries: leave out PATH, or restore the paths "
                     "into a directory"));
  }
  VS_RETURN_IF_ERROR(index.status());
  VS_ASSIGN_OR_RETURN(
      const std::unique_ptr<SelectedTar> tar,
      SelectedTar::Open(index->get(), selection, /*borrow=*/false, MemberOptionsOf(options)));
  while (tar->NextRange()) VS_RETURN_IF_ERROR(GiveAll(tar.get(), visit));
  constexpr std::array<uint8_t, kTarEndBytes> kEnd = {};
  VS_RETURN_IF_ERROR(visit(kEnd));
  return selection->Unmatched();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExportTar(ArchiveFile* file, PathSelection selection,
                                                   const ReadOptions& options,
                                                   const Visitor& visit) {
  if (!selection.selects_all()) return GiveSelected(file, &selection, options, visit);
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<InflatedSource> source,
                      InflatedSource::Open(file, options));
  VS_RETURN_IF_ERROR(file->Located(GiveAll(source->input(), visit)));
  return std::vector<std::string>();
}

}  // namespace volstream
