// codec_table: what each codec and level costs and saves by kind of data, beside zlib and ISA-L on
// the same blocks in the same round; what storing noise costs; and what choosing the compressor by
// block loses against always compressing.
//
//   codec_table [--blocks 32] [--rounds 3] [--json FILE]
//
// Speeds are source bytes by processor time of one thread; medians of the rounds, whose candidates
// take turns. Sizes do not vary. `mixed` is 32 runs of the corpus, which hold each kind in its
// share.
#include <libdeflate.h>
#include <zlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/corpus.h"
#include "engine/check.h"
#include "engine/stats.h"
#include "stages/archive_codec.h"
#include "stages/isal_deflate.h"

namespace volstream::bench {
namespace {

constexpr CorpusKind kKinds[] = {CorpusKind::kText,   CorpusKind::kLogs, CorpusKind::kSqlite,
                                 CorpusKind::kFloats, CorpusKind::kJson, CorpusKind::kRandom,
                                 CorpusKind::kZeros,  CorpusKind::kMixed};
constexpr size_t kOutBytes = 8 * kMiB;

// Encodes one block to the front of a buffer of kOutBytes; returns the bytes.
using Encoder = std::function<size_t(ByteSpan in, MutableByteSpan out)>;

struct Candidate {
  std::string name;
  size_t block_bytes;
  Encoder encode;
};

Candidate OfCodec(ArchiveFormat format, int level) {
  std::shared_ptr<BlockCodec> codec = *MakeCodec(format, level);
  return {absl::StrCat(format == ArchiveFormat::kGzip ? "gzip " : "zstd ", level),
          BlockBytesFor(format, level, kGiB, 2), [codec](ByteSpan in, MutableByteSpan out) {
            const absl::StatusOr<EncodedBlock> block = codec->Encode(in, out);
            VS_CHECK(block.ok());
            return block->bytes;
          }};
}

// One deflate stream of all blocks, as pigz and gzip have it. Its end is left out: it is of no
// account.
Candidate OfZlib(int level) {
  struct Stream {
    explicit Stream(int level) { VS_CHECK(deflateInit2(&z, level, Z_DEFLATED, -15, 8, 0) == Z_OK); }
    ~Stream() { deflateEnd(&z); }
    z_stream z{};
  };
  auto stream = std::make_shared<Stream>(level);
  return {absl::StrCat("zlib ", level), kMiB, [stream](ByteSpan in, MutableByteSpan out) {
            stream->z.next_in = const_cast<Bytef*>(in.data());
            stream->z.avail_in = static_cast<uInt>(in.size());
            stream->z.next_out = out.data();
            stream->z.avail_out = static_cast<uInt>(out.size());
            VS_CHECK(deflate(&stream->z, Z_NO_FLUSH) == Z_OK && stream->z.avail_in == 0);
            return out.size() - stream->z.avail_out;
          }};
}

// What igzip -N makes, in pieces.
Candidate OfIsal(int level) {
  auto deflate = std::make_shared<IsalDeflate>(level, 64 * kKiB);
  return {absl::StrCat("ISA-L ", level), kMiB,
          [deflate](ByteSpan in, MutableByteSpan out) { return deflate->Compress(in, out); }};
}

Candidate OfLibdeflate(int level) {
  std::shared_ptr<libdeflate_compressor> compressor(libdeflate_alloc_compressor(level),
                                                    libdeflate_free_compressor);
  return {absl::StrCat("libdeflate ", level), kMiB, [compressor](ByteSpan in, MutableByteSpan out) {
            return libdeflate_deflate_compress(compressor.get(), in.data(), in.size(), out.data(),
                                               out.size());
          }};
}

std::vector<Candidate> AllCandidates() {
  std::vector<Candidate> all;
  for (const int level : {1, 2, 3, 5, 6, 7, 9}) all.push_back(OfCodec(ArchiveFormat::kGzip, level));
  for (const int level : {1, 3, 6}) all.push_back(OfCodec(ArchiveFormat::kZstd, level));
  for (const int level : {1, 6}) all.push_back(OfZlib(level));
  for (const int level : {1, 2, 3}) all.push_back(OfIsal(level));
  for (const int level : {1, 3, 6, 7, 9}) all.push_back(OfLibdeflate(level));
  return all;
}

// Of the mixed corpus one block of each run, so that 32 of them hold all kinds in their shares; in
// runs of four all the same, for codecs with larger blocks.
std::vector<uint8_t> BytesOf(CorpusKind kind, uint64_t blocks) {
  const Corpus corpus(kind);
  std::vector<uint8_t> bytes(blocks * kCorpusBlockBytes);
  if (kind == CorpusKind::kMixed) bytes.resize(kMixedCycleBlocks * kCorpusBlockBytes);
  corpus.Read(0, bytes);
  return bytes;
}

struct Cell {
  uint64_t bytes = 0;
  std::vector<double> seconds;

  double Median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

struct Row {
  double percent = 0;
  double mb_per_second = 0;
};

Row Measured(const Cell& cell, size_t source_bytes) {
  const auto source = static_cast<double>(source_bytes);
  return {100 * static_cast<double>(cell.bytes) / source, source / 1e6 / cell.Median()};
}

// Lines of what a level gains or loses beside another candidate.
void PrintRatios(const std::map<std::string, Row>& rows) {
  const auto line = [&rows](const char* ours, const char* theirs) {
    const auto a = rows.find(ours);
    const auto b = rows.find(theirs);
    if (a == rows.end() || b == rows.end()) return;
    std::cout << absl::StrFormat("  %-8s / %-13s %6.2f times the speed, %7.4f times the bytes\n",
                                 ours, theirs, a->second.mb_per_second / b->second.mb_per_second,
                                 a->second.percent / b->second.percent);
  };
  line("gzip 1", "ISA-L 1");
  line("gzip 1", "ISA-L 2");
  line("gzip 3", "libdeflate 3");
  line("gzip 6", "zlib 6");
  line("gzip 6", "libdeflate 6");
  line("gzip 9", "libdeflate 9");
}

nlohmann::json MeasureKind(CorpusKind kind, uint64_t blocks, int rounds) {
  const std::vector<uint8_t> bytes = BytesOf(kind, blocks);
  const std::vector<Candidate> candidates = AllCandidates();
  std::vector<Cell> cells(candidates.size());
  std::vector<uint8_t> out(kOutBytes);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const size_t at = (i + static_cast<size_t>(round)) % candidates.size();
      const double start = ThreadCpuSeconds();
      cells[at].bytes = 0;
      for (size_t offset = 0; offset < bytes.size(); offset += candidates[at].block_bytes) {
        const size_t count = std::min(candidates[at].block_bytes, bytes.size() - offset);
        cells[at].bytes += candidates[at].encode(ByteSpan(bytes).subspan(offset, count), out);
      }
      cells[at].seconds.push_back(ThreadCpuSeconds() - start);
    }
  }
  std::map<std::string, Row> rows;
  nlohmann::json json;
  std::cout << std::string(KindName(kind)) << "\n";
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Row row = Measured(cells[i], bytes.size());
    rows[candidates[i].name] = row;
    json[candidates[i].name] = {{"percent", row.percent}, {"mb_per_second", row.mb_per_second}};
    std::cout << absl::StrFormat("  %-13s %8.3f %% %9.1f MB/s\n", candidates[i].name, row.percent,
                                 row.mb_per_second);
  }
  PrintRatios(rows);
  std::cout << std::flush;
  return json;
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  CLI::App app("What codecs cost and save by kind of data");
  uint64_t blocks = 32;
  int rounds = 3;
  std::string json_path;
  app.add_option("--blocks", blocks, "MiB of each kind; mixed has 128 (32)");
  app.add_option("--rounds", rounds, "Times that everything is measured (3)");
  app.add_option("--json", json_path, "Write the figures there too");
  CLI11_PARSE(app, argc, argv);
  nlohmann::json json;
  for (const volstream::bench::CorpusKind kind : volstream::bench::kKinds) {
    json[std::string(volstream::bench::KindName(kind))] =
        volstream::bench::MeasureKind(kind, blocks, rounds);
  }
  if (!json_path.empty()) {
    std::ofstream file(json_path);
    if (!(file << json.dump(2) << "\n")) {
      std::cerr << "cannot write " << json_path << "\n";
      return 1;
    }
  }
  return 0;
}
