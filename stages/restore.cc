#include "stages/restore.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_file.h"
#include "stages/archive_name.h"
#include "stages/entry_source.h"
#include "stages/error_kind.h"
#include "stages/path_selection.h"
#include "stages/receipt.h"
#include "stages/restore_entries.h"
#include "stages/restore_raw.h"

namespace volstream {
namespace {

// The receipt's XXH3; empty if there is no receipt that says it.
absl::StatusOr<std::string> ExpectedXxh3(Storage* storage, const std::string& name,
                                         const RestoreOptions& options) {
  const absl::StatusOr<std::string> text = storage->ReadAll(ReceiptNameOf(name));
  if (absl::IsNotFound(text.status())) return std::string();
  VS_RETURN_IF_ERROR(text.status());
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(*text);
  if (receipt.ok()) return receipt->xxh3;
  if (options.on_warning) {
    options.on_warning(absl::StrCat(ReceiptNameOf(storage->UrlOf(name)), ": ",
                                    receipt.status().message(), "; restoring without it"));
  }
  return std::string();
}

ReadOptions ReadOptionsOf(const RestoreOptions& options) {
  ReadOptions read;
  read.memory_bytes = options.memory_bytes;
  read.workers = options.threads;
  read.connections = options.connections;
  read.names_only = options.dry_run;
  read.on_warning = options.on_warning;
  return read;
}

// `xxh3` becomes that of the archive, where all of it was read by its members.
absl::StatusOr<RestoreReport> RestoreTar(ArchiveFile* file, const PathSelection& selection,
                                         const RestoreOptions& options, std::string* xxh3) {
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<EntrySource> source,
                      EntrySource::Open(file, selection, ReadOptionsOf(options)));
  absl::StatusOr<RestoreReport> report = RestoreEntries(source->entries(), selection, options);
  // The parsers do not know what they read.
  if (absl::IsDataLoss(report.status()) &&
      !absl::StrContains(report.status().message(), file->Url())) {
    return WithContext(report.status(), file->Url());
  }
  if (report.ok()) *xxh3 = source->archive_xxh3();
  return report;
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreArchive(Storage* storage, const std::string& name,
                                             const RestoreOptions& options) {
  VS_ASSIGN_OR_RETURN(const PathSelection selection, PathSelection::Make(options.patterns));
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveFile> file, ArchiveFile::Open(storage, name));
  const bool whole = selection.selects_all() && !options.dry_run;
  std::string expected;
  if (whole) {
    VS_ASSIGN_OR_RETURN(expected, ExpectedXxh3(storage, name, options));
  }
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(name);
  std::string xxh3;
  absl::StatusOr<RestoreReport> report;
  if (parsed.has_value() && parsed->kind == ArchiveKind::kRaw) {
    VS_ASSIGN_OR_RETURN(const std::unique_ptr<TarInput> input,
                        OpenInflated(file.get(), ReadOptionsOf(options)));
    report = RestoreRaw(input.get(), file->Url(), *parsed, options);
    if (auto* const members = dynamic_cast<MemberInput*>(input.get())) {
      xxh3 = members->archive_xxh3();
    }
  } else {
    report = RestoreTar(file.get(), selection, options, &xxh3);
  }
  if (!report.ok()) return report;
  report->archive_bytes = file->bytes_read();
  if (expected.empty() || xxh3.empty()) return report;
  if (xxh3 != expected) {
    return MakeError(
        ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
        absl::StrCat(file->Url(), ": bytes differ: its XXH3 is ", xxh3, ", its receipt says ",
                     expected, "; what was restored cannot be trusted"));
  }
  report->receipt_checked = true;
  return report;
}

}  // namespace volstream
