#include "bench/text_model.h"

#include <cctype>

namespace volstream::bench {
namespace {

constexpr std::string_view kOnsets[] = {"b",  "c",  "d",  "f",  "g", "h",  "l",  "m",  "n",  "p",
                                        "r",  "s",  "t",  "v",  "w", "st", "tr", "pr", "ch", "th",
                                        "sh", "pl", "gr", "qu", "",  "",   "k",  "j",  "br", "cl"};
constexpr std::string_view kNuclei[] = {"a", "e", "i", "o", "u", "ea", "ou", "ai", "ee", "io"};
constexpr std::string_view kCodas[] = {"",  "",   "n",  "r",  "s",  "t",   "l",  "d",
                                       "m", "nt", "st", "ng", "ck", "ble", "ed", "er"};

template <size_t kSize>
std::string_view Pick(const std::string_view (&choices)[kSize], Random* random) {
  return choices[random->Below(kSize)];
}

// Frequent words are short.
std::string MakeWord(size_t rank, Random* random) {
  const size_t syllables = rank < 60    ? 1
                           : rank < 900 ? random->Between(1, 2)
                                        : random->Between(2, 4);
  std::string word;
  for (size_t i = 0; i < syllables; ++i) {
    word += Pick(kOnsets, random);
    word += Pick(kNuclei, random);
    if (i + 1 == syllables || random->Chance(1, 3)) word += Pick(kCodas, random);
  }
  return word;
}

}  // namespace

void SpanWriter::PutDecimal(uint64_t value, int min_digits) {
  char digits[20];
  int count = 0;
  do {
    digits[sizeof(digits) - 1 - count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0 || count < min_digits);
  Put(std::string_view(digits + sizeof(digits) - count, count));
}

void SpanWriter::PutHex(uint64_t value, int digits) {
  char text[16];
  for (int i = digits - 1; i >= 0; --i, value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  Put(std::string_view(text, digits));
}

void SpanWriter::PutUuid(Random* random) {
  const uint64_t high = random->Next();
  const uint64_t low = random->Next();
  PutHex(high >> 32, 8);
  Put("-");
  PutHex(high >> 16, 4);
  Put("-4");
  PutHex(high, 3);
  Put("-a");
  PutHex(low >> 48, 3);
  Put("-");
  PutHex(low, 12);
}

TextModel::TextModel(uint64_t seed) {
  Random random(seed, /*stream=*/0x74657874);
  words_.reserve(kWords);
  for (size_t i = 0; i < kWords; ++i) words_.push_back(MakeWord(i, &random));

  std::vector<uint64_t> weights(kWords);
  uint64_t total = 0;
  for (size_t i = 0; i < kWords; ++i) total += weights[i] = (uint64_t{1} << 32) / (10 * i + 27);
  zipf_.resize(65536);
  uint64_t passed = 0;
  size_t entry = 0;
  for (size_t i = 0; i < kWords; ++i) {
    passed += weights[i];
    const size_t end = i + 1 == kWords ? zipf_.size() : passed * zipf_.size() / total;
    for (; entry < end; ++entry) zipf_[entry] = static_cast<uint16_t>(i);
  }

  successors_.resize(kWords);
  for (std::array<uint16_t, kSuccessors>& likely : successors_) {
    for (uint16_t& word : likely) word = ZipfWord(&random);
  }
  phrases_.reserve(kPhrases);
  for (size_t i = 0; i < kPhrases; ++i) {
    uint16_t word = ZipfWord(&random);
    std::string phrase = words_[word];
    for (size_t left = random.Between(3, 7); left > 0; --left) {
      word = NextWord(word, &random);
      phrase += " " + words_[word];
    }
    phrases_.push_back(phrase);
  }
}

uint16_t TextModel::NextWord(uint16_t word, Random* random) const {
  if (!random->Chance(7, 10)) return ZipfWord(random);
  // The smaller of two: the first successors are the likeliest.
  const uint64_t choice = std::min(random->Below(kSuccessors), random->Below(kSuccessors));
  return successors_[word][choice];
}

void TextModel::WriteSentence(Random* random, SpanWriter* out) const {
  uint16_t word = ZipfWord(random);
  std::string first = words_[word];
  first[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(first[0])));
  out->Put(first);
  for (size_t left = random->Between(5, 18); left > 0 && !out->full(); --left) {
    if (random->Chance(1, 24)) out->Put(",");
    out->Put(" ");
    if (random->Chance(1, 9)) {
      out->Put(phrases_[random->Below(kPhrases)]);
      word = ZipfWord(random);
    } else if (random->Chance(1, 80)) {
      out->PutDecimal(random->Below(10000));
    } else {
      word = NextWord(word, random);
      out->Put(words_[word]);
    }
  }
  out->Put(random->Chance(1, 12) ? "?" : ".");
}

void TextModel::WriteProse(size_t bytes, std::string_view paragraph_end, Random* random,
                           SpanWriter* out) const {
  const size_t room = out->room();
  size_t sentences = random->Between(2, 7);
  while (!out->full() && room - out->room() < bytes) {
    WriteSentence(random, out);
    if (--sentences == 0) {
      out->Put(paragraph_end);
      sentences = random->Between(2, 7);
    } else {
      out->Put(" ");
    }
  }
}

}  // namespace volstream::bench
