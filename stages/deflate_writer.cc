#include "stages/deflate_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/check.h"

namespace volstream {
namespace {

using deflate::kDistanceCodes;
using deflate::Token;

// What a match's length or distance is written with: a code's number, how many bits follow it, and
// the value that they are added to. RFC 1951, 3.2.5.
constexpr uint32_t kEndOfBlock = 256;
constexpr uint32_t kFirstLengthCode = 257;
constexpr size_t kLengthCodes = 29;
constexpr std::array<uint16_t, kLengthCodes> kLengthBase = {
    3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr std::array<uint8_t, kLengthCodes> kLengthExtraBits = {
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr uint32_t DistanceExtraBits(uint32_t code) { return code < 4 ? 0 : code / 2 - 1; }
// The smallest distance minus 1 of a code.
constexpr uint32_t DistanceBase(uint32_t code) {
  return code < 4 ? code : (2 + code % 2) << DistanceExtraBits(code);
}

constexpr size_t kLengths = deflate::kMaxMatch - deflate::kMinMatch + 1;
constexpr std::array<uint8_t, kLengths> MakeLengthCodes() {
  std::array<uint8_t, kLengths> codes{};
  for (size_t i = 0, code = 0; i < kLengths; ++i) {
    while (code + 1 < kLengthCodes && kLengthBase[code + 1] <= i + deflate::kMinMatch) ++code;
    codes[i] = static_cast<uint8_t>(code);
  }
  return codes;
}
// Of a length minus the smallest, the length code minus kFirstLengthCode.
constexpr std::array<uint8_t, kLengths> kLengthCodeOf = MakeLengthCodes();

// The code of code lengths. RFC 1951, 3.2.7.
constexpr size_t kLengthSymbols = 19;
constexpr int kMaxLengthSymbolBits = 7;
constexpr uint8_t kRepeat = 16;     // the last length, 3 to 6 times, in 2 bits
constexpr uint8_t kFewZeros = 17;   // 3 to 10, in 3 bits
constexpr uint8_t kManyZeros = 18;  // 11 to 138, in 7 bits
constexpr std::array<uint8_t, kLengthSymbols> kLengthSymbolOrder = {
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
constexpr int RepeatBits(uint8_t symbol) {
  return symbol < kRepeat ? 0 : symbol == kRepeat ? 2 : symbol == kFewZeros ? 3 : 7;
}

constexpr uint32_t kDynamicBlock = 2;

// What a header takes, roughly, in halves of a bit: without codes, and for each symbol that comes.
constexpr uint64_t kHeaderHalfBits = 160;
constexpr uint64_t kLiteralHalfBits = 7;
constexpr uint64_t kDistanceHalfBits = 8;

constexpr size_t kSlackBytes = 8;  // that StoreBits writes, however few there are

// Bits go out lowest first.
void StoreBits(uint64_t bits, uint8_t* out) {
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(out, &bits, sizeof(bits));
}

template <size_t kCount>
uint64_t CountUsed(const std::array<uint32_t, kCount>& counts) {
  return kCount - static_cast<uint64_t>(std::count(counts.begin(), counts.end(), 0u));
}

}  // namespace

// The code of each literal and length, length's extra bits included, and of each distance.
struct DeflateWriter::Codes {
  explicit Codes(const Header& header);

  struct Symbol {
    uint32_t bits;
    uint32_t count;
  };
  struct Distance {
    uint16_t bits;
    uint8_t count;
    uint8_t extra_count;
    uint32_t base;  // of the distance minus 1
  };
  std::array<Symbol, deflate::kTokenSymbols> symbols;
  Symbol end_of_block;
  std::array<Distance, kDistanceCodes> distances;
};

// Of a block with codes of its own.
struct DeflateWriter::Header {
  explicit Header(const Counts& counts);

  uint64_t Bits() const;
  uint64_t TokenBits(const Counts& counts) const;  // extra bits and the end of the block included

  std::array<uint8_t, kLiteralCodes> literals;    // bits of each code
  std::array<uint8_t, kDistanceCodes> distances;  // the same
  size_t literal_count;                           // without the unused ones at the end
  size_t distance_count;
  // The lengths of both, and what each repetition has for a count.
  std::array<uint8_t, kLiteralCodes + kDistanceCodes> symbols;
  std::array<uint8_t, kLiteralCodes + kDistanceCodes> repeats;
  size_t symbol_count = 0;
  std::array<uint8_t, kLengthSymbols> symbol_bits;
  size_t symbol_bits_count;  // written, in kLengthSymbolOrder
  std::array<uint32_t, kLengthSymbols> symbol_uses{};

 private:
  void AddSymbol(uint8_t symbol, size_t repeat) {
    symbols[symbol_count] = symbol;
    repeats[symbol_count++] = static_cast<uint8_t>(repeat);
    ++symbol_uses[symbol];
  }
  void AddLengths(absl::Span<const uint8_t> lengths);
};

DeflateWriter::Header::Header(const Counts& counts) {
  deflate::BuildCodeLengths(counts.literals, deflate::kMaxCodeBits, absl::MakeSpan(literals));
  deflate::BuildCodeLengths(counts.distances, deflate::kMaxCodeBits, absl::MakeSpan(distances));
  literal_count = kLiteralCodes;
  while (literals[literal_count - 1] == 0) --literal_count;  // ends: the end of the block is used
  distance_count = kDistanceCodes;
  while (distance_count > 1 && distances[distance_count - 1] == 0) --distance_count;

  std::array<uint8_t, kLiteralCodes + kDistanceCodes> lengths;
  std::copy_n(literals.begin(), literal_count, lengths.begin());
  std::copy_n(distances.begin(), distance_count, lengths.begin() + literal_count);
  AddLengths(absl::MakeConstSpan(lengths).first(literal_count + distance_count));
  deflate::BuildCodeLengths(symbol_uses, kMaxLengthSymbolBits, absl::MakeSpan(symbol_bits));
  symbol_bits_count = kLengthSymbols;
  while (symbol_bits_count > 4 && symbol_bits[kLengthSymbolOrder[symbol_bits_count - 1]] == 0) {
    --symbol_bits_count;
  }
}

void DeflateWriter::Header::AddLengths(absl::Span<const uint8_t> lengths) {
  for (size_t i = 0; i < lengths.size();) {
    const uint8_t length = lengths[i];
    size_t same = 1;
    while (i + same < lengths.size() && lengths[i + same] == length) ++same;
    i += same;
    if (length == 0) {
      while (same >= 11) {
        const size_t count = std::min<size_t>(same, 138);
        AddSymbol(kManyZeros, count - 11);
        same -= count;
      }
      if (same >= 3) {
        AddSymbol(kFewZeros, same - 3);
        same = 0;
      }
    } else {
      AddSymbol(length, 0);
      --same;
      while (same >= 3) {
        const size_t count = std::min<size_t>(same, 6);
        AddSymbol(kRepeat, count - 3);
        same -= count;
      }
    }
    for (; same > 0; --same) AddSymbol(length, 0);
  }
}

uint64_t DeflateWriter::Header::Bits() const {
  uint64_t bits = 3 + 5 + 5 + 4 + 3 * symbol_bits_count;
  for (uint8_t symbol = 0; symbol < kLengthSymbols; ++symbol) {
    bits += uint64_t{symbol_uses[symbol]} *
            static_cast<uint64_t>(symbol_bits[symbol] + RepeatBits(symbol));
  }
  return bits;
}

uint64_t DeflateWriter::Header::TokenBits(const Counts& counts) const {
  uint64_t bits = 0;
  for (size_t i = 0; i < kLiteralCodes; ++i) {
    const int extra = i < kFirstLengthCode ? 0 : kLengthExtraBits[i - kFirstLengthCode];
    bits += uint64_t{counts.literals[i]} * static_cast<uint64_t>(literals[i] + extra);
  }
  for (uint32_t i = 0; i < kDistanceCodes; ++i) {
    bits += uint64_t{counts.distances[i]} * (distances[i] + DistanceExtraBits(i));
  }
  return bits;
}

DeflateWriter::Codes::Codes(const Header& header) {
  std::array<uint16_t, kLiteralCodes> literal_codes;
  std::array<uint16_t, kDistanceCodes> distance_codes;
  deflate::BuildCodes(header.literals, absl::MakeSpan(literal_codes));
  deflate::BuildCodes(header.distances, absl::MakeSpan(distance_codes));
  for (uint32_t i = 0; i < deflate::kFirstLength; ++i) {
    symbols[i] = {literal_codes[i], header.literals[i]};
  }
  for (uint32_t i = 0; i < kLengths; ++i) {
    const uint32_t code = kLengthCodeOf[i];
    const uint32_t symbol = kFirstLengthCode + code;
    const uint32_t extra = i + deflate::kMinMatch - kLengthBase[code];
    symbols[deflate::kFirstLength + i] = {
        literal_codes[symbol] | extra << header.literals[symbol],
        uint32_t{header.literals[symbol]} + kLengthExtraBits[code]};
  }
  for (uint32_t i = 0; i < kDistanceCodes; ++i) {
    distances[i] = {distance_codes[i], header.distances[i],
                    static_cast<uint8_t>(DistanceExtraBits(i)), DistanceBase(i)};
  }
  end_of_block = {literal_codes[kEndOfBlock], header.literals[kEndOfBlock]};
}

void DeflateWriter::Counts::Add(const Counts& other) {
  for (size_t i = 0; i < literals.size(); ++i) literals[i] += other.literals[i];
  for (size_t i = 0; i < distances.size(); ++i) distances[i] += other.distances[i];
}

uint64_t DeflateWriter::Counts::EstimatedBits() const {
  return deflate::IdealBits(literals) + deflate::IdealBits(distances) +
         (kHeaderHalfBits + kLiteralHalfBits * CountUsed(literals) +
          kDistanceHalfBits * CountUsed(distances)) /
             2;
}

DeflateWriter::DeflateWriter()
    : tokens_(kMaxBlockTokens + deflate::kRunTokens + deflate::kRunSlack) {}

void DeflateWriter::Begin(MutableByteSpan out) {
  begin_ = next_ = out.data();
  end_ = out.data() + (out.size() < kSlackBytes ? 0 : out.size() - kSlackBytes);
  overflowed_ = out.size() < kSlackBytes;
  pending_ = 0;
  pending_bits_ = 0;
  block_tokens_ = 0;
  ResetRun();
}

void DeflateWriter::ResetRun() {
  run_ = deflate::TokenRun{};
  run_.tokens = tokens_.data() + block_tokens_;
}

DeflateWriter::Counts DeflateWriter::CountsOf(const deflate::TokenRun& run) {
  Counts counts;
  std::copy_n(run.symbols, deflate::kFirstLength, counts.literals.begin());
  for (size_t i = 0; i < kLengths; ++i) {
    counts.literals[kFirstLengthCode + kLengthCodeOf[i]] += run.symbols[deflate::kFirstLength + i];
  }
  std::copy_n(run.distances, kDistanceCodes, counts.distances.begin());
  return counts;
}

void DeflateWriter::EndRun() {
  VS_CHECK(run_.count > 0 && run_.count <= deflate::kRunTokens + deflate::kRunSlack);
  const Counts counts = CountsOf(run_);
  const uint64_t bits = counts.EstimatedBits();
  if (block_tokens_ > 0) {
    Counts both = block_;
    both.Add(counts);
    const uint64_t both_bits = both.EstimatedBits();
    if (both_bits <= block_bits_ + bits && block_tokens_ + run_.count <= kMaxBlockTokens) {
      block_ = both;
      block_bits_ = both_bits;
      block_tokens_ += run_.count;
      ResetRun();
      return;
    }
    WriteBlock(/*last=*/false);
    std::copy_n(run_.tokens, run_.count, tokens_.begin());
  }
  block_ = counts;
  block_bits_ = bits;
  block_tokens_ = run_.count;
  ResetRun();
}

size_t DeflateWriter::Finish() {
  VS_CHECK(block_tokens_ > 0 && run_.count == 0);
  WriteBlock(/*last=*/true);
  if (overflowed_) return 0;
  if (pending_bits_ > 0) *next_++ = static_cast<uint8_t>(pending_);
  return static_cast<size_t>(next_ - begin_);
}

void DeflateWriter::Put(uint64_t bits, int count) {
  pending_ |= bits << pending_bits_;
  pending_bits_ += count;
  StoreBits(pending_, next_);
  next_ += pending_bits_ / 8;
  pending_ >>= pending_bits_ & ~7;
  pending_bits_ &= 7;
}

void DeflateWriter::WriteBlock(bool last) {
  if (overflowed_) return;
  ++block_.literals[kEndOfBlock];
  const Header header(block_);
  const uint64_t bits = header.Bits() + header.TokenBits(block_);
  if (bits + static_cast<uint64_t>(pending_bits_) > static_cast<uint64_t>(end_ - next_) * 8) {
    overflowed_ = true;
    return;
  }

  Put((last ? 1 : 0) | kDynamicBlock << 1, 3);
  Put(header.literal_count - kFirstLengthCode, 5);
  Put(header.distance_count - 1, 5);
  Put(header.symbol_bits_count - 4, 4);
  for (size_t i = 0; i < header.symbol_bits_count; ++i) {
    Put(header.symbol_bits[kLengthSymbolOrder[i]], 3);
  }
  std::array<uint16_t, kLengthSymbols> symbol_codes;
  deflate::BuildCodes(header.symbol_bits, absl::MakeSpan(symbol_codes));
  for (size_t i = 0; i < header.symbol_count; ++i) {
    const uint8_t symbol = header.symbols[i];
    Put(symbol_codes[symbol], header.symbol_bits[symbol]);
    Put(header.repeats[i], RepeatBits(symbol));
  }

  const Codes codes(header);
  WriteTokens(codes);
  Put(codes.end_of_block.bits, static_cast<int>(codes.end_of_block.count));
}

void DeflateWriter::WriteTokens(const Codes& codes) {
  // Put, by hand, in registers: at most 7 bits are pending, a length has up to 20 and a
  // distance 28.
  uint64_t pending = pending_;
  auto count = static_cast<uint32_t>(pending_bits_);
  uint8_t* next = next_;
  const Token* token = tokens_.data();
  const Token* const end = token + block_tokens_;
  while (token != end) {
    Token t = *token++;
    Codes::Symbol symbol = codes.symbols[t & deflate::kSymbolMask];
    pending |= uint64_t{symbol.bits} << count;
    count += symbol.count;
    // A literal takes another one behind it along.
    if ((t & deflate::kFirstLength) == 0 && token != end && (*token & deflate::kFirstLength) == 0) {
      t = *token++;
      symbol = codes.symbols[t & deflate::kSymbolMask];
      pending |= uint64_t{symbol.bits} << count;
      count += symbol.count;
    } else if ((t & deflate::kFirstLength) != 0) {
      const Codes::Distance& distance = codes.distances[t >> deflate::kDistanceCodeShift];
      const uint32_t value = t >> deflate::kDistanceShift & deflate::kDistanceMask;
      pending |= uint64_t{distance.bits} << count;
      count += distance.count;
      pending |= uint64_t{value - distance.base} << count;
      count += distance.extra_count;
    }
    StoreBits(pending, next);
    next += count / 8;
    pending >>= count & ~7u;
    count &= 7;
  }
  pending_ = pending;
  pending_bits_ = static_cast<int>(count);
  next_ = next;
}

}  // namespace volstream
