#include "stages/restore.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_bytes.h"
#include "stages/archive_name.h"
#include "stages/archive_reader.h"
#include "stages/error_kind.h"
#include "stages/foreign_tar_reader.h"
#include "stages/path_selection.h"
#include "stages/receipt.h"
#include "stages/restore_entries.h"
#include "stages/restore_raw.h"

namespace volstream {
namespace {

// The receipt's MD5; empty if there is no receipt that says it.
absl::StatusOr<std::string> ExpectedMd5(Storage* storage, const std::string& name,
                                        const RestoreOptions& options) {
  const absl::StatusOr<std::string> text = storage->ReadAll(ReceiptNameOf(name));
  if (absl::IsNotFound(text.status())) return std::string();
  VS_RETURN_IF_ERROR(text.status());
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(*text);
  if (receipt.ok()) return receipt->md5;
  if (options.on_warning) {
    options.on_warning(absl::StrCat(ReceiptNameOf(storage->UrlOf(name)), ": ",
                                    receipt.status().message(), "; restoring without it"));
  }
  return std::string();
}

// What reads the archive's entries. Both must be kept as long as they are read.
struct EntrySource {
  std::unique_ptr<TarInput> input;
  std::unique_ptr<EntryReader> entries;
};

EntrySource OpenEntries(ArchiveReader* reader, const RestoreOptions& options) {
  EntrySource source;
  source.input = std::make_unique<ArchiveBytes>(reader);
  source.entries = ForeignTarReader::Make(source.input.get(), options.on_warning);
  return source;
}

absl::StatusOr<RestoreReport> RestoreTar(ArchiveReader* reader, const std::string& url,
                                         const RestoreOptions& options) {
  VS_ASSIGN_OR_RETURN(PathSelection selection, PathSelection::Make(options.patterns));
  const EntrySource source = OpenEntries(reader, options);
  absl::StatusOr<RestoreReport> report =
      RestoreEntries(source.entries.get(), std::move(selection), options);
  if (absl::IsDataLoss(report.status())) return WithContext(report.status(), url);
  VS_RETURN_IF_ERROR(report.status());
  report->archive_bytes = reader->bytes_read();
  return report;
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreArchive(Storage* storage, const std::string& name,
                                             const RestoreOptions& options) {
  const std::string url = storage->UrlOf(name);
  VS_RETURN_IF_ERROR(storage->Stat(name).status());
  VS_ASSIGN_OR_RETURN(const std::string expected_md5, ExpectedMd5(storage, name, options));
  ArchiveReader reader(storage, name);
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(name);
  absl::StatusOr<RestoreReport> report = parsed.has_value() && parsed->kind == ArchiveKind::kRaw
                                             ? RestoreRaw(&reader, url, *parsed, options)
                                             : RestoreTar(&reader, url, options);
  if (!report.ok() || expected_md5.empty()) return report;
  const std::string md5 = reader.FinishMd5();
  if (md5 != expected_md5) {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(url, ": bytes differ: its MD5 is ", md5, ", its receipt says ",
                                  expected_md5, "; what was restored cannot be trusted"));
  }
  report->md5_checked = true;
  return report;
}

}  // namespace volstream
