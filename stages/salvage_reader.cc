#include "stages/salvage_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/status_macros.h"
#include "stages/tar_fields.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

constexpr size_t kMagicOffset = 257;
constexpr std::string_view kMagic = "ustar";
constexpr size_t kNameBytes = 100;

// Of the entry's name as the header has it.
bool IsOwnName(const TarFields& header) {
  const std::string_view prefix = header.prefix();
  return (prefix.empty() ? header.name() : prefix).starts_with("./");
}

bool IsHeader(ByteSpan block) {
  const TarFields header(block);
  return std::equal(kMagic.begin(), kMagic.end(), block.begin() + kMagicOffset) &&
         header.HasChecksum() &&
         std::string_view("0123456xgLK").find(header.type()) != std::string_view::npos &&
         header.size().value_or(-1) >= 0;
}

// Whether what lies before byte `at` may be the end of a pax header's records, which are lines.
bool MayFollowRecords(ByteSpan chunk, size_t at) {
  if (at == 0) return true;
  const ByteSpan before = chunk.subspan(at - kTarBlockBytes, kTarBlockBytes);
  const ByteSpan text = before.first(before.size() - TrailingZeros(before));
  return !text.empty() && text.back() == '\n';
}

// Whether the header by itself surely says something else than it did behind its pax header.
bool NeedsPaxHeader(const TarFields& header) {
  return (header.name().size() == kNameBytes && header.prefix().empty()) ||
         header.link_name().size() == kNameBytes ||
         header.name().find("GNUSparseFile.0") != std::string_view::npos;
}

}  // namespace

SalvageReader::SalvageReader(SalvageInput* input, SalvageReaderOptions options)
    : options_(std::move(options)),
      feed_(input,
            [this](const SalvageItem& gap) {
              if (!options_.on_gap) return;
              options_.on_gap(
                  SalvageGap{gap.archive_offset, gap.archive_bytes, gap.tar_offset, gap.tar_bytes});
            }),
      reader_(TarReader::Make(&feed_)) {}

bool SalvageReader::CanBegin(ByteSpan chunk, size_t at, bool* in_doubt) const {
  const ByteSpan block = chunk.subspan(at, kTarBlockBytes);
  if (!IsHeader(block)) return false;
  const TarFields header(block);
  if (own_names_ && !IsOwnName(header)) return false;
  *in_doubt = header.type() != 'x' && MayFollowRecords(chunk, at);
  return !*in_doubt || !NeedsPaxHeader(header);
}

std::optional<size_t> SalvageReader::FindEntry(const SalvageItem& item, size_t from) {
  const ByteSpan chunk = item.content.bytes;
  in_doubt_ = false;
  if (!options_.entry_offsets.empty() && item.tar_offset.has_value()) {
    const uint64_t first = *item.tar_offset + from;
    const auto entry =
        std::lower_bound(options_.entry_offsets.begin(), options_.entry_offsets.end(), first);
    if (entry == options_.entry_offsets.end()) return std::nullopt;
    const uint64_t at = *entry - *item.tar_offset;
    if (at >= chunk.size()) return std::nullopt;
    return static_cast<size_t>(at);
  }
  for (size_t at = static_cast<size_t>(TarPadded(from)); at + kTarBlockBytes <= chunk.size();
       at += kTarBlockBytes) {
    if (CanBegin(chunk, at, &in_doubt_)) return at;
  }
  in_doubt_ = false;
  return std::nullopt;
}

absl::StatusOr<bool> SalvageReader::Resync() {
  // What is left of the member that was read last, unless a gap follows it.
  std::optional<SalvageItem> item;
  if (!feed_.is_cut() && !feed_.last().content.bytes.empty()) item = feed_.last();
  while (true) {
    if (item.has_value()) {
      const uint64_t begin = feed_.last_position();
      const uint64_t from = resume_ > begin ? resume_ - begin : 0;
      if (from < item->content.bytes.size()) {
        const std::optional<size_t> at = FindEntry(*item, static_cast<size_t>(from));
        if (at.has_value()) {
          feed_.GoBack(*at);
          resume_ = begin + *at;
          reader_ = TarReader::Make(&feed_, resume_);
          return true;
        }
      }
    }
    VS_ASSIGN_OR_RETURN(item, feed_.Pull());
    if (!item.has_value()) return false;
  }
}

absl::Status SalvageReader::Stumbled(uint64_t resume) {
  if (!feed_.failure().ok()) return feed_.failure();
  reader_.reset();
  resume_ = feed_.is_cut() ? 0 : resume;
  return absl::OkStatus();
}

absl::StatusOr<const RestoreEntry*> SalvageReader::Next() {
  VS_RETURN_IF_ERROR(FinishEntry());
  while (!ended_) {
    if (reader_ == nullptr) {
      VS_ASSIGN_OR_RETURN(const bool found, Resync());
      if (!found) break;
    }
    const absl::StatusOr<const RestoreEntry*> entry = reader_->Next();
    if (!entry.ok()) {
      VS_RETURN_IF_ERROR(Stumbled(resume_ + kTarBlockBytes));
      continue;
    }
    if (*entry == nullptr) {
      saw_end_ = true;
      break;
    }
    const EntryPlace& place = reader_->place();
    feed_.SetEntry(place);
    in_entry_ = true;
    entry_ = DamagedEntry{(*entry)->path, (*entry)->bytes, 0, std::exchange(in_doubt_, false)};
    odd_ = reader_->odd();
    tar_offset_.reset();
    if (feed_.is_known()) tar_offset_ = place.tar_offset;
    if (place.tar_offset == 0 && place.header_bytes >= kTarBlockBytes) {
      own_names_ = (*entry)->path.empty() && (*entry)->type == TarType::kDirectory;
    }
    resume_ = place.end_offset();
    return *entry;
  }
  ended_ = true;
  return nullptr;
}

absl::StatusOr<EntryData> SalvageReader::NextData() {
  while (in_entry_ && reader_ != nullptr) {
    absl::StatusOr<EntryData> data = reader_->NextData();
    if (!data.ok()) {
      // Else the map of a file with holes is bad, and nothing of it can be placed.
      const bool ends_here = feed_.is_cut() || feed_.has_ended();
      lost_bytes_ = ends_here ? feed_.lost_bytes() : std::max<uint64_t>(1, entry_.bytes);
      VS_RETURN_IF_ERROR(Stumbled(resume_));
      break;
    }
    if (!SalvageFeed::IsHole(data->content.bytes)) {
      if (data->content.bytes.empty()) lost_bytes_ = feed_.lost_bytes();
      return data;
    }
  }
  return EntryData{entry_.bytes, {}};
}

absl::Status SalvageReader::FinishEntry() {
  if (!in_entry_) return absl::OkStatus();
  while (true) {
    VS_ASSIGN_OR_RETURN(const EntryData data, NextData());
    if (data.content.bytes.empty()) break;
  }
  in_entry_ = false;
  entry_.lost_bytes = std::exchange(lost_bytes_, 0);
  if ((entry_.lost_bytes > 0 || entry_.header_in_doubt) && options_.on_damaged) {
    options_.on_damaged(entry_);
  }
  return absl::OkStatus();
}

}  // namespace volstream
