// ArchiveName: how volstream names its archives, NAME_YYYYMMDD_HHMMSS.tar.gz or .tar.zst in UTC, or
// .gz or .zst for a stream that is no tar, and how it recognises its own. Retention touches only
// names that parse here.
#ifndef VOLSTREAM_STAGES_ARCHIVE_NAME_H_
#define VOLSTREAM_STAGES_ARCHIVE_NAME_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "stages/archive_format.h"

namespace volstream {

inline constexpr std::string_view kReceiptSuffix = ".receipt.json";
inline constexpr std::string_view kVerificationSuffix = ".verify.json";

enum class ArchiveKind { kTar, kRaw };

struct ArchiveName {
  std::string stem;  // what was backed up: "openwebui"
  absl::Time time;   // whole seconds
  ArchiveKind kind = ArchiveKind::kTar;
  ArchiveFormat format = ArchiveFormat::kGzip;

  std::string ToString() const;
  // Nothing if `name` is not exactly what ToString would give for some stem and time.
  static std::optional<ArchiveName> Parse(std::string_view name);
};

// A usable stem from any text: letters, digits, '.', '_' and '-' stay, all else becomes '_', as
// does a '.' or '-' in front. "volume" for an empty text.
std::string StemFrom(std::string_view text);

// True for the name of an archive of `stem`, or of what is kept beside one (see AttachedTo); of any
// stem if it is empty.
bool BelongsTo(std::string_view name, std::string_view stem);

// The names of the receipt and of the verification that belong to an archive.
std::string ReceiptNameOf(std::string_view archive_name);
std::string VerificationNameOf(std::string_view archive_name);

// The name of the archive to which `name`, a receipt's or a verification's, belongs; empty if it is
// neither.
std::string_view AttachedTo(std::string_view name);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_NAME_H_
