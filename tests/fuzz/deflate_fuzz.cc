// Any bytes through WideDeflate, where it runs, and any tokens through DeflateWriter: zlib and
// libdeflate give both back; what does not fit says so, and nothing is written beyond the room.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/check.h"
#include "stages/deflate_writer.h"
#include "stages/wide_deflate.h"
#include "tests/support/raw_deflate.h"
#include "tests/support/token_runs.h"

namespace volstream {
namespace {

using deflate::kMaxDistance;
using deflate::kMaxMatch;
using deflate::kMinMatch;
using deflate::kRunSlack;
using deflate::kRunTokens;

constexpr size_t kMostBytes = 160 * kKiB;

// The fuzzer's bytes, in small numbers; zeros once there are no more.
class Choices {
 public:
  explicit Choices(ByteSpan bytes) : bytes_(bytes) {}

  bool ended() const { return next_ >= bytes_.size(); }
  uint32_t Byte() { return ended() ? 0 : bytes_[next_++]; }
  uint32_t Word() {
    const uint32_t low = Byte();
    return low | Byte() << 8;
  }
  ByteSpan Rest() const { return bytes_.subspan(std::min(next_, bytes_.size())); }

 private:
  ByteSpan bytes_;
  size_t next_ = 0;
};

// Checks what `write` makes of `data`, given room: with plenty, with just as much as it wants, with
// less. Each in memory of just its size.
template <typename Write>
void CheckWriter(ByteSpan data, size_t plenty, uint32_t short_of, const Write& write) {
  const auto with_room = [&](size_t bytes) {
    auto out = std::make_unique<uint8_t[]>(bytes);
    const size_t written = write(MutableByteSpan(out.get(), bytes));
    VS_CHECK(written + kWriterSpareBytes <= bytes || written == 0);
    return std::pair(std::move(out), written);
  };
  const auto [out, bytes] = with_room(plenty);
  VS_CHECK(bytes > 0);
  const std::string problem = InflateProblem(ByteSpan(out.get(), bytes), data);
  if (!problem.empty()) std::fprintf(stderr, "%s\n", problem.c_str());
  VS_CHECK(problem.empty());
  const auto [same, same_bytes] = with_room(bytes + kWriterSpareBytes);
  VS_CHECK(same_bytes == bytes && std::memcmp(same.get(), out.get(), bytes) == 0);
  const size_t too_little = bytes + kWriterSpareBytes - 1;
  VS_CHECK(with_room(too_little - short_of % (too_little + 1)).second == 0);
}

// `bytes`, then parts of what there is again, somewhat changed, up to sizes beyond deflate's window
// and what positions of 16 bits tell apart.
std::vector<uint8_t> Expanded(Choices choices) {
  const uint32_t steps = choices.Byte() % 16;
  Choices rest = choices;
  for (uint32_t i = 0; i < 6 * steps; ++i) rest.Byte();
  const ByteSpan bytes = rest.Rest();
  std::vector<uint8_t> data(bytes.begin(), bytes.end());
  if (data.empty()) data.push_back(static_cast<uint8_t>(steps));
  for (uint32_t i = 0; i < steps; ++i) {
    const uint32_t how = choices.Byte();
    const uint32_t word = choices.Word();
    const uint32_t value = choices.Byte();
    // At a distance near deflate's greatest, or any.
    const size_t distance = how % 4 == 0 ? kMaxDistance - 4 + word % 8 : 1 + word;
    const size_t count = (choices.Word() + size_t{1}) << (how >> 4 & 3);
    const size_t begin = data.size() - std::min(distance, data.size());
    for (size_t k = 0; k < count && data.size() < kMostBytes; ++k) {
      // Every so many is another byte, so that matches are of any length.
      const bool changed = (how & 4) != 0 && k % (2 + value) == value;
      const uint8_t byte = data[begin + k];
      data.push_back(changed ? static_cast<uint8_t>(byte + 1 + k) : byte);
    }
  }
  return data;
}

void FuzzWide(int level, uint32_t short_of, Choices choices) {
  static std::unique_ptr<WideDeflate> by_level[WideDeflate::kMaxLevel + 1];
  if (by_level[level] == nullptr) by_level[level] = std::make_unique<WideDeflate>(level);
  const std::vector<uint8_t> expanded = Expanded(choices);
  // Of just its size, and at any alignment.
  const size_t shift = short_of % 16;
  const auto memory = std::make_unique<uint8_t[]>(shift + expanded.size());
  std::memcpy(memory.get() + shift, expanded.data(), expanded.size());
  const ByteSpan data(memory.get() + shift, expanded.size());
  CheckWriter(data, data.size() + data.size() / 8 + 1024, short_of,
              [&](MutableByteSpan out) { return by_level[level]->Compress(data, out); });
}

// Literals and matches as the bytes say, some many times. `data` is what they stand for.
std::vector<PlainToken> TokensFrom(Choices choices, std::vector<uint8_t>* data) {
  std::vector<PlainToken> tokens;
  while (tokens.empty() || (!choices.ended() && data->size() < kMostBytes)) {
    const uint32_t how = choices.Byte();
    PlainToken token{0, choices.Byte()};
    if ((how & 1) != 0 && !data->empty()) {
      const size_t reach = std::min<size_t>(data->size(), kMaxDistance);
      token.length = kMinMatch + token.value % (kMaxMatch - kMinMatch + 1);
      token.value = 1 + static_cast<uint32_t>((token.value >> 7 | choices.Word()) % reach);
    }
    const uint32_t times = (how & 2) == 0 ? 1 : 1u << (how >> 4);
    for (uint32_t i = 0; i < times && data->size() < kMostBytes; ++i) {
      tokens.push_back(token);
      if (token.length == 0) {
        data->push_back(static_cast<uint8_t>(token.value));
        // Many that come ever less often, for deep codes.
        if ((how & 8) != 0) token.value = static_cast<uint32_t>(__builtin_ctz(i + 1)) + how;
        token.value &= 0xff;
        continue;
      }
      for (uint32_t k = 0; k < token.length; ++k) {
        data->push_back((*data)[data->size() - token.value]);
      }
      if ((how & 4) != 0) token.length = kMinMatch + (token.length + i) % (kMaxMatch - 2);
      if ((how & 8) != 0) token.value = 1 + (token.value * 2 + i) % (kMaxDistance / 64);
      token.value = static_cast<uint32_t>(
          std::min<size_t>(token.value, std::min<size_t>(data->size(), kMaxDistance)));
      token.length = std::min(token.length, kMaxMatch);
    }
  }
  return tokens;
}

void FuzzWriter(size_t run_tokens, uint32_t short_of, Choices choices) {
  static DeflateWriter* const writer = new DeflateWriter;
  std::vector<uint8_t> data;
  const std::vector<PlainToken> tokens = TokensFrom(choices, &data);
  CheckWriter(data, PlentyFor(tokens.size(), run_tokens), short_of,
              [&](MutableByteSpan out) { return WriteInRuns(tokens, run_tokens, writer, out); });
}

void FuzzOne(ByteSpan bytes) {
  Choices choices(bytes);
  const uint32_t which = choices.Byte();
  const uint32_t short_of = choices.Word();
  if (which % 5 == 4 || !WideDeflate::Runs()) {
    // A few bytes, so that runs of few tokens come too.
    const size_t run_tokens = which >= 128 ? kRunTokens + kRunSlack : 1 + short_of % kRunTokens;
    FuzzWriter(run_tokens, short_of, choices);
  } else {
    FuzzWide(WideDeflate::kMinLevel + static_cast<int>(which % 5), short_of, choices);
  }
}

}  // namespace
}  // namespace volstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  volstream::FuzzOne(volstream::ByteSpan(data, size));
  return 0;
}
