#include "stages/archive_name.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

constexpr absl::string_view kTarExtension = ".tar";  // before the format's own
// %E4Y and not %Y, which would take all eight digits of the date for the year.
constexpr char kTimeFormat[] = "%E4Y%m%d_%H%M%S";
constexpr size_t kTimeBytes = 15;  // YYYYMMDD_HHMMSS

}  // namespace

std::string ArchiveName::ToString() const {
  return absl::StrCat(stem, "_", absl::FormatTime(kTimeFormat, time, absl::UTCTimeZone()),
                      kind == ArchiveKind::kTar ? kTarExtension : "", ToAbsl(FormatSuffix(format)));
}

std::optional<ArchiveName> ArchiveName::Parse(std::string_view name) {
  absl::string_view rest(name.data(), name.size());
  ArchiveName result;
  if (absl::ConsumeSuffix(&rest, ToAbsl(FormatSuffix(ArchiveFormat::kZstd)))) {
    result.format = ArchiveFormat::kZstd;
  } else if (!absl::ConsumeSuffix(&rest, ToAbsl(FormatSuffix(ArchiveFormat::kGzip)))) {
    return std::nullopt;
  }
  result.kind = absl::ConsumeSuffix(&rest, kTarExtension) ? ArchiveKind::kTar : ArchiveKind::kRaw;
  if (rest.size() < kTimeBytes + 2) return std::nullopt;
  result.stem = std::string(rest.substr(0, rest.size() - kTimeBytes - 1));
  const absl::string_view digits = rest.substr(rest.size() - kTimeBytes);
  // A sign or a blank would pass for a digit below.
  for (const char c : digits) {
    if (c != '_' && !absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
  }
  if (!absl::ParseTime(kTimeFormat, digits, absl::UTCTimeZone(), &result.time, nullptr)) {
    return std::nullopt;
  }
  // ParseTime takes blanks and short fields; only the exact form is ours.
  if (result.ToString() != name || StemFrom(result.stem) != result.stem) return std::nullopt;
  return result;
}

std::string StemFrom(std::string_view text) {
  std::string stem(text);
  for (char& c : stem) {
    const unsigned char u = static_cast<unsigned char>(c);
    if (!absl::ascii_isalnum(u) && c != '.' && c != '_' && c != '-') c = '_';
  }
  if (stem.empty()) return "volume";
  if (stem.front() == '.' || stem.front() == '-') stem.front() = '_';
  return stem;
}

bool BelongsTo(std::string_view name, std::string_view stem) {
  if (const std::string_view archive = AttachedTo(name); !archive.empty()) name = archive;
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(name);
  return parsed.has_value() && (stem.empty() || parsed->stem == stem);
}

std::string ReceiptNameOf(std::string_view archive_name) {
  return std::string(archive_name).append(kReceiptSuffix);
}

std::string VerificationNameOf(std::string_view archive_name) {
  return std::string(archive_name).append(kVerificationSuffix);
}

std::string_view AttachedTo(std::string_view name) {
  for (const std::string_view suffix : {kReceiptSuffix, kVerificationSuffix}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return "";
}

}  // namespace volstream
