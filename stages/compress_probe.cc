#include "stages/compress_probe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace volstream {
namespace {

// A window is noise if an ideal code of its bytes saves less than a 32nd and hardly anything in it
// repeats. True noise of 2 KiB seems to save 1.1 %, as few samples never look uniform.
constexpr int kNoiseLiteralPermille = 1000 - 1000 / 32;
constexpr int kNoiseMatchPermille = 30;
// Below this share of positions with a match the search for better ones wins less than 1 % of the
// block, at four to ten times the price.
constexpr int kFewMatchPermille = 70;
// And only where there are many letters. With few, as in hexadecimal digits, short matches abound
// by chance, and a compressor that knows which ones not to take wins 6 %.
constexpr int kManyLettersPermille = 700;

// Of noisy windows only every kMatchStride-th is searched for matches, near by and far: a search
// costs more than the entropy, and noise is what a probe must be done with soonest.
constexpr size_t kMatchStride = 8;
// How far after a window its repetitions are looked for: deflate's reach.
constexpr size_t kFarBytes = 32 * kKiB;
constexpr size_t kFarStep = 64;

// IsNoise asks the first word of each of these: in a tar, what repeats does so at a whole number of
// them, and a text begins with a letter in each.
constexpr size_t kSectorBytes = 512;
constexpr size_t kSectorHashBits = 13;  // as many as 4 MiB have
// Noise repeats no word in 4 MiB by chance, and a word of it is ASCII with one chance in 256. Below
// these shares of its sectors a block may be text, or a copy, and yet be noise.
constexpr size_t kTextSectorsShare = 64;
constexpr size_t kFewTextSectors = 8;
constexpr size_t kCopiedSectorsShare = 256;

constexpr size_t kHashBits = 12;
constexpr int kUnitBits = 10;  // of the fraction in NLogN

// n * log2(n) in units of 2^-kUnitBits.
using LogTable = std::array<uint32_t, kProbeWindowBytes + 1>;
const LogTable& NLogN() {
  static const LogTable table = [] {
    LogTable values{};
    for (size_t n = 1; n < values.size(); ++n) {
      values[n] = static_cast<uint32_t>(
          std::lround(static_cast<double>(n) * std::log2(n) * (1 << kUnitBits)));
    }
    return values;
  }();
  return table;
}

// REQUIRES: window.size() == kProbeWindowBytes.
int LiteralPermille(ByteSpan window) {
  // Four histograms, so that a byte that comes twice does not wait for its own counter.
  std::array<std::array<uint16_t, 256>, 4> counts{};
  for (size_t i = 0; i < kProbeWindowBytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, window.data() + i, sizeof(word));
    for (int k = 0; k < 8; ++k) ++counts[k % 4][word >> (8 * k) & 0xff];
  }
  const LogTable& n_log_n = NLogN();
  uint64_t sum = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    sum += n_log_n[counts[0][byte] + counts[1][byte] + counts[2][byte] + counts[3][byte]];
  }
  const uint64_t bits = n_log_n[kProbeWindowBytes] - sum;
  return static_cast<int>(bits * 1000 / (uint64_t{8 * kProbeWindowBytes} << kUnitBits));
}

// Where each four bytes of a window were seen last.
class Matches {
 public:
  // The share of positions that begin a match of at least four bytes within the window.
  int Permille(ByteSpan window) {
    last_.fill(0);
    const size_t positions = window.size() - sizeof(uint32_t);
    size_t found = 0;
    for (size_t i = 0; i < positions; ++i) {
      const uint32_t word = Load(window, i);
      uint16_t& slot = last_[Hash(word)];
      found += slot != 0 && Load(window, slot - 1) == word ? 1 : 0;
      slot = static_cast<uint16_t>(i + 1);
    }
    return static_cast<int>(1000 * found / positions);
  }

  // Whether most of what follows the window, as far as it could repeat it, does so.
  // REQUIRES: Permille(window) was the last call.
  bool ComeBack(ByteSpan window, ByteSpan after) const {
    size_t found = 0;
    size_t looked = 0;
    for (size_t i = 0; i + sizeof(uint32_t) <= after.size(); i += kFarStep, ++looked) {
      const uint32_t word = Load(after, i);
      const uint16_t slot = last_[Hash(word)];
      found += slot != 0 && Load(window, slot - 1) == word ? 1 : 0;
    }
    // A window that comes back once is a 16th of deflate's reach.
    return looked > 0 && found * 2 * (kFarBytes / kProbeWindowBytes) >= looked;
  }

 private:
  static uint32_t Load(ByteSpan bytes, size_t at) {
    uint32_t word;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    return word;
  }
  static size_t Hash(uint32_t word) { return word * 0x9e3779b1u >> (32 - kHashBits); }

  std::array<uint16_t, size_t{1} << kHashBits> last_;  // the position plus one; 0 = none
};

// REQUIRES: `at` + kProbeWindowBytes <= block.size().
ByteSpan FarAfter(ByteSpan block, size_t at) {
  const size_t end = at + kProbeWindowBytes;
  return block.subspan(end, std::min(kFarBytes, block.size() - end));
}

// Whether sectors look as those of noise do: few begin with text, few as an earlier one did.
bool SectorsAreNoise(ByteSpan block) {
  constexpr uint64_t kNotAscii = 0x8080808080808080;
  // The last sector, counted from one, whose word had the hash; 0 = none.
  std::array<uint32_t, size_t{1} << kSectorHashBits> last{};
  const size_t sectors = block.size() / kSectorBytes;
  size_t texts = 0;
  size_t copies = 0;
  const auto load = [block](size_t sector) {
    uint64_t word;
    std::memcpy(&word, block.data() + sector * kSectorBytes, sizeof(word));
    return word;
  };
  for (size_t i = 0; i < sectors; ++i) {
    const uint64_t word = load(i);
    texts += (word & kNotAscii) == 0 ? 1 : 0;
    uint32_t& slot = last[word * 0x9e3779b97f4a7c15 >> (64 - kSectorHashBits)];
    copies += slot != 0 && load(slot - 1) == word ? 1 : 0;
    slot = static_cast<uint32_t>(i + 1);
  }
  return texts <= kFewTextSectors + sectors / kTextSectorsShare &&
         copies <= sectors / kCopiedSectorsShare;
}

}  // namespace

bool IsNoise(ByteSpan block) {
  if (block.size() < kProbeMinBytes) return false;
  // Of all but noise the first window says what it is, so entropy, the cheapest, is first.
  const size_t windows = kProbeWindows * ((block.size() + kMiB - 1) / kMiB);
  const size_t stride = (block.size() - kProbeWindowBytes) / (windows - 1);
  for (size_t i = 0; i < windows; ++i) {
    if (LiteralPermille(block.subspan(i * stride, kProbeWindowBytes)) < kNoiseLiteralPermille) {
      return false;
    }
  }
  if (!SectorsAreNoise(block)) return false;
  Matches matches;
  for (size_t i = 0; i < windows; i += kMatchStride) {
    const ByteSpan window = block.subspan(i * stride, kProbeWindowBytes);
    if (matches.Permille(window) >= kNoiseMatchPermille ||
        matches.ComeBack(window, FarAfter(block, i * stride))) {
      return false;
    }
  }
  return true;
}

ProbeResult ProbeBlock(ByteSpan block, ProbeFor wanted) {
  ProbeResult result;
  if (block.size() < kProbeMinBytes) return result;
  Matches matches;
  const size_t stride = (block.size() - kProbeWindowBytes) / (kProbeWindows - 1);
  bool noise = true;
  bool repeats = false;
  int literal_sum = 0;
  int match_sum = 0;
  for (size_t i = 0; i < kProbeWindows; ++i) {
    const ByteSpan window = block.subspan(i * stride, kProbeWindowBytes);
    const int literal = LiteralPermille(window);
    const bool flat = literal >= kNoiseLiteralPermille;
    literal_sum += literal;
    noise = noise && flat;
    if (flat && i % kMatchStride != 0) continue;
    const int match = matches.Permille(window);
    match_sum += match;
    if (!flat) {
      // The rest could not bring the mean below this any more.
      const bool certain = match_sum >= kFewMatchPermille * static_cast<int>(kProbeWindows);
      if (certain && wanted == ProbeFor::kPromise) return result;
      continue;
    }
    noise = noise && match < kNoiseMatchPermille;
    repeats = repeats || matches.ComeBack(window, FarAfter(block, i * stride));
  }
  result.literal_permille = literal_sum / static_cast<int>(kProbeWindows);
  result.match_permille = match_sum / static_cast<int>(kProbeWindows);
  if (noise && !repeats) {
    result.promise = Promise::kNothing;
  } else if (!repeats && result.match_permille < kFewMatchPermille &&
             result.literal_permille >= kManyLettersPermille) {
    result.promise = Promise::kCodes;
  }
  return result;
}

}  // namespace volstream
