#include "stages/tar_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/gnu_sparse.h"
#include "stages/tar_parser.h"

namespace volstream {
namespace {

class PullingTarReader : public TarReader {
 public:
  PullingTarReader(TarInput* input, uint64_t tar_offset, bool fragment)
      : input_(input), fragment_(fragment), parser_(tar_offset) {}

  absl::StatusOr<const RestoreEntry*> Next() override {
    if (!status_.ok()) return status_;
    absl::StatusOr<const RestoreEntry*> entry = Advance();
    if (!entry.ok()) status_ = entry.status();
    return entry;
  }
  absl::StatusOr<EntryData> NextData() override {
    if (!status_.ok()) return status_;
    if (content_left_ == 0 && !map_comes_) return EntryData{file_offset_, {}};
    absl::StatusOr<EntryData> data = NextPiece();
    if (!data.ok()) status_ = data.status();
    return data;
  }
  const EntryPlace& place() const override { return parser_.place(); }
  const std::string& odd() const override { return parser_.odd(); }

 private:
  absl::StatusOr<const RestoreEntry*> Advance();
  void BeginEntry();
  absl::Status PassData();
  absl::Status ReadRest();
  absl::StatusOr<EntryData> NextPiece();
  absl::Status ReadMap();

  // Makes chunk_ the input's next bytes, if it is used up; still empty at the end.
  absl::Status Refill();
  // Bytes of the input, at least one, unless it has ended: no more than `most`, from the front.
  absl::StatusOr<ByteSpan> Bytes(uint64_t most);
  // The next block in one piece; shorter where the input ends. It is still to be taken.
  absl::StatusOr<ByteSpan> Block();
  // That many bytes of what the two above gave are done with.
  void Take(size_t bytes);
  absl::Status CutShort() const;

  TarInput* const input_;
  const bool fragment_;
  TarParser parser_;
  absl::Status status_;
  bool ended_ = false;

  SharedBytes chunk_;  // of the input; what is left of it
  // A block that lies in two chunks or more.
  std::array<uint8_t, kTarBlockBytes> block_ = {};
  size_t block_bytes_ = 0;

  // Of the current entry.
  uint64_t data_left_ = 0;     // in the stream, padding included
  uint64_t content_left_ = 0;  // of what can be handed out; before the map is read: all of the data
  uint64_t file_offset_ = 0;   // of the next piece
  bool map_comes_ = false;     // the content begins with a map
  bool sparse_ = false;        // map_ says where the content belongs
  GnuSparseMap map_;
  size_t segment_ = 0;         // of map_, the current one
  uint64_t segment_left_ = 0;  // of it
};

absl::Status PullingTarReader::CutShort() const {
  return absl::DataLossError(absl::StrCat("the tar stream ended at byte ",
                                          parser_.place().end_offset() - data_left_,
                                          ", inside an entry: it was cut short"));
}

absl::Status PullingTarReader::Refill() {
  if (!chunk_.bytes.empty()) return absl::OkStatus();
  chunk_ = SharedBytes();  // its memory may be what the input waits for
  VS_ASSIGN_OR_RETURN(chunk_, input_->Next());
  return absl::OkStatus();
}

absl::StatusOr<ByteSpan> PullingTarReader::Bytes(uint64_t most) {
  if (block_bytes_ > 0) {
    return ByteSpan(block_).first(static_cast<size_t>(std::min<uint64_t>(most, block_bytes_)));
  }
  VS_RETURN_IF_ERROR(Refill());
  return chunk_.bytes.first(static_cast<size_t>(std::min<uint64_t>(most, chunk_.bytes.size())));
}

absl::StatusOr<ByteSpan> PullingTarReader::Block() {
  while (block_bytes_ < kTarBlockBytes) {
    VS_RETURN_IF_ERROR(Refill());
    if (chunk_.bytes.empty()) break;
    if (block_bytes_ == 0 && chunk_.bytes.size() >= kTarBlockBytes) {
      return chunk_.bytes.first(kTarBlockBytes);
    }
    const size_t taken = std::min(chunk_.bytes.size(), kTarBlockBytes - block_bytes_);
    std::copy_n(chunk_.bytes.begin(), taken, block_.begin() + block_bytes_);
    block_bytes_ += taken;
    chunk_.bytes = chunk_.bytes.subspan(taken);
  }
  return ByteSpan(block_).first(block_bytes_);
}

void PullingTarReader::Take(size_t bytes) {
  // What was copied is only ever taken as a whole: headers, and the first block of a link's data.
  if (block_bytes_ > 0) {
    block_bytes_ = 0;
  } else {
    chunk_.bytes = chunk_.bytes.subspan(bytes);
  }
}

absl::StatusOr<const RestoreEntry*> PullingTarReader::Advance() {
  if (ended_) return nullptr;
  VS_RETURN_IF_ERROR(PassData());
  while (true) {
    switch (parser_.wants()) {
      case TarParser::Wants::kBlock: {
        VS_ASSIGN_OR_RETURN(const ByteSpan block, Block());
        if (block.size() < kTarBlockBytes) {
          VS_RETURN_IF_ERROR(parser_.OnEnd(block.size(), fragment_));
          ended_ = true;
          return nullptr;
        }
        VS_RETURN_IF_ERROR(parser_.OnBlock(block));
        Take(block.size());
        break;
      }
      case TarParser::Wants::kPeek: {
        VS_ASSIGN_OR_RETURN(const ByteSpan block, Block());
        parser_.OnPeek(block.size() < kTarBlockBytes ? ByteSpan() : block);
        break;
      }
      case TarParser::Wants::kExtension: {
        VS_ASSIGN_OR_RETURN(const ByteSpan bytes, Bytes(parser_.extension_left()));
        if (bytes.empty()) return parser_.OnEnd(0, fragment_);
        VS_RETURN_IF_ERROR(parser_.OnExtension(bytes));
        Take(bytes.size());
        break;
      }
      case TarParser::Wants::kEntry:
        BeginEntry();
        return &parser_.entry();
      case TarParser::Wants::kRest:
        VS_RETURN_IF_ERROR(ReadRest());
        ended_ = true;
        return nullptr;
    }
  }
}

void PullingTarReader::BeginEntry() {
  const RestoreEntry& entry = parser_.entry();
  const uint64_t stored_bytes = parser_.place().stored_bytes;
  data_left_ = TarPadded(stored_bytes);
  file_offset_ = 0;
  const bool has_content = entry.type == TarType::kFile && parser_.odd().empty();
  content_left_ = has_content ? stored_bytes : 0;
  sparse_ = map_comes_ = has_content && entry.sparse;
  if (sparse_) map_.Begin(stored_bytes, entry.bytes);
  segment_ = 0;
  segment_left_ = 0;
  // From here on the parser waits for what comes behind the data.
  parser_.PassEntry();
}

absl::Status PullingTarReader::PassData() {
  content_left_ = 0;
  map_comes_ = false;
  while (data_left_ > 0) {
    VS_ASSIGN_OR_RETURN(const ByteSpan bytes, Bytes(data_left_));
    if (bytes.empty()) return CutShort();
    data_left_ -= bytes.size();
    Take(bytes.size());
  }
  return absl::OkStatus();
}

absl::Status PullingTarReader::ReadRest() {
  while (true) {
    VS_ASSIGN_OR_RETURN(const ByteSpan bytes, Bytes(UINT64_MAX));
    if (bytes.empty()) return absl::OkStatus();
    VS_RETURN_IF_ERROR(parser_.OnRest(bytes));
    Take(bytes.size());
  }
}

absl::Status PullingTarReader::ReadMap() {
  while (!map_.done()) {
    VS_ASSIGN_OR_RETURN(const ByteSpan bytes, Bytes(content_left_));
    if (bytes.empty() && content_left_ > 0) return CutShort();
    const absl::StatusOr<size_t> used = map_.Feed(bytes);
    if (!used.ok()) {
      return absl::Status(used.status().code(),
                          absl::StrCat("the entry at byte ", parser_.place().tar_offset,
                                       " of the tar stream has ", used.status().message()));
    }
    content_left_ -= *used;
    data_left_ -= *used;
    Take(*used);
  }
  return absl::OkStatus();
}

absl::StatusOr<EntryData> PullingTarReader::NextPiece() {
  if (map_comes_) {
    VS_RETURN_IF_ERROR(ReadMap());
    map_comes_ = false;
  }
  uint64_t most = content_left_;
  if (sparse_) {
    while (segment_left_ == 0 && segment_ < map_.segments().size()) {
      file_offset_ = map_.segments()[segment_].file_offset;
      segment_left_ = map_.segments()[segment_].bytes;
      ++segment_;
    }
    most = segment_left_;
  }
  EntryData data{file_offset_, {}};
  if (most == 0) return data;
  VS_ASSIGN_OR_RETURN(data.content.bytes, Bytes(most));
  if (data.content.bytes.empty()) return CutShort();
  data.content.owner = chunk_.owner;
  const size_t bytes = data.content.bytes.size();
  Take(bytes);
  data_left_ -= bytes;
  content_left_ -= bytes;
  if (sparse_) segment_left_ -= bytes;
  file_offset_ += bytes;
  return data;
}

}  // namespace

std::unique_ptr<TarReader> TarReader::Make(TarInput* input, uint64_t tar_offset, bool fragment) {
  return std::make_unique<PullingTarReader>(input, tar_offset, fragment);
}

}  // namespace volstream
