#include "stages/restore.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

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

// The archive's receipt; nothing if there is none that can be read.
absl::StatusOr<std::optional<Receipt>> ReceiptOf(Storage* storage, const std::string& name,
                                                 const RestoreOptions& options) {
  const absl::StatusOr<std::string> text = storage->ReadAll(ReceiptNameOf(name));
  if (absl::IsNotFound(text.status())) return std::nullopt;
  VS_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Receipt> receipt = Receipt::FromJson(*text);
  if (receipt.ok()) return *std::move(receipt);
  if (options.on_warning) {
    options.on_warning(absl::StrCat(ReceiptNameOf(storage->UrlOf(name)), ": ",
                                    receipt.status().message(), "; restoring without it"));
  }
  return std::nullopt;
}

// Of all of the archive's bytes; empty unless they were taken.
struct Digests {
  std::string xxh3;
  std::string md5;

  template <typename Source>
  static Digests Of(Source* source) {
    return {source->archive_xxh3(), source->FinishMd5()};
  }
};

absl::Status Compare(const Receipt& receipt, const Digests& digests, const std::string& url) {
  const bool by_xxh3 = !digests.xxh3.empty();
  const std::string& expected = by_xxh3 ? receipt.xxh3 : receipt.md5;
  const std::string& found = by_xxh3 ? digests.xxh3 : digests.md5;
  if (found == expected) return absl::OkStatus();
  if (expected.empty()) {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(url,
                                  " is not made of volstream's members, as its receipt says; "
                                  "what was restored cannot be trusted"));
  }
  return MakeError(
      ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
      absl::StrCat(url, ": bytes differ: its ", by_xxh3 ? "XXH3" : "MD5", " is ", found,
                   ", its receipt says ", expected, "; what was restored cannot be trusted"));
}

ReadOptions ReadOptionsOf(const RestoreOptions& options, bool want_digest) {
  ReadOptions read;
  read.memory_bytes = options.memory_bytes;
  read.workers = options.threads;
  read.connections = options.connections;
  read.want_digest = want_digest;
  read.names_only = options.dry_run;
  read.on_warning = options.on_warning;
  return read;
}

absl::StatusOr<RestoreReport> RestoreTar(ArchiveFile* file, const PathSelection& selection,
                                         const RestoreOptions& options, const ReadOptions& read,
                                         Digests* digests) {
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<EntrySource> source,
                      EntrySource::Open(file, selection, read));
  absl::StatusOr<RestoreReport> report = RestoreEntries(source->entries(), selection, options);
  if (!report.ok()) return file->Located(report.status());
  *digests = Digests::Of(source.get());
  return report;
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreArchive(Storage* storage, const std::string& name,
                                             const RestoreOptions& options) {
  VS_ASSIGN_OR_RETURN(const PathSelection selection, PathSelection::Make(options.patterns));
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveFile> file, ArchiveFile::Open(storage, name));
  std::optional<Receipt> receipt;
  if (selection.selects_all() && !options.dry_run) {
    VS_ASSIGN_OR_RETURN(receipt, ReceiptOf(storage, name, options));
  }
  const ReadOptions read = ReadOptionsOf(options, receipt.has_value());
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(name);
  Digests digests;
  absl::StatusOr<RestoreReport> report;
  if (parsed.has_value() && parsed->kind == ArchiveKind::kRaw) {
    VS_ASSIGN_OR_RETURN(const std::unique_ptr<InflatedSource> source,
                        InflatedSource::Open(file.get(), read));
    report = RestoreRaw(source->input(), file->Url(), *parsed, options, [&] {
      digests = Digests::Of(source.get());
      return receipt.has_value() ? Compare(*receipt, digests, file->Url()) : absl::OkStatus();
    });
  } else {
    report = RestoreTar(file.get(), selection, options, read, &digests);
  }
  if (!report.ok()) return report;
  report->archive_bytes = file->bytes_read();
  if (!receipt.has_value()) return report;
  VS_RETURN_IF_ERROR(Compare(*receipt, digests, file->Url()));
  report->receipt_checked = true;
  return report;
}

}  // namespace volstream
