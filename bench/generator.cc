#include "bench/generator.h"

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/check.h"

namespace volstream::bench {
namespace {

constexpr std::string_view kKindNames[] = {"text", "logs",   "sqlite", "floats",
                                           "json", "random", "zeros",  "mixed"};

// Shares of the mixed stream in 32nds: 34 % random, 22 % SQLite, 9 % floats, 12.5 % text,
// 12.5 % JSON, 6 % logs, 3 % zeros.
constexpr std::array<CorpusKind, 32> MakeMixedDeck() {
  std::array<CorpusKind, 32> deck{};
  size_t next = 0;
  const auto add = [&deck, &next](CorpusKind kind, int count) {
    for (int i = 0; i < count; ++i) deck[next++] = kind;
  };
  add(CorpusKind::kRandom, 11);
  add(CorpusKind::kSqlite, 7);
  add(CorpusKind::kText, 4);
  add(CorpusKind::kJson, 4);
  add(CorpusKind::kFloats, 3);
  add(CorpusKind::kLogs, 2);
  add(CorpusKind::kZeros, 1);
  return deck;
}
constexpr std::array<CorpusKind, 32> kMixedDeck = MakeMixedDeck();

constexpr size_t kPageBytes = 4096;  // of the SQLite kind
constexpr size_t kVectorDimensions = 384;

template <size_t kSize>
std::string_view Pick(const std::string_view (&choices)[kSize], Random* random) {
  return choices[random->Below(kSize)];
}

void PutBigEndian16(uint8_t* p, uint64_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

void WriteRandom(Random* random, MutableByteSpan out) {
  size_t i = 0;
  for (; i + 8 <= out.size(); i += 8) {
    const uint64_t word = random->Next();
    std::memcpy(out.data() + i, &word, 8);
  }
  const uint64_t word = random->Next();
  std::memcpy(out.data() + i, &word, out.size() - i);
}

// Records of a vector index (links, then the vector), and every fourth stretch a random walk.
void WriteFloats(Random* random, SpanWriter* out) {
  const auto put32 = [out](const void* value) {
    out->Put(std::string_view(static_cast<const char*>(value), 4));
  };
  // Wider than a float's 24 bits, so that the whole mantissa is used.
  const auto put_scaled = [&put32](int64_t value, float scale) {
    const float scaled = static_cast<float>(value) * scale;
    put32(&scaled);
  };
  for (uint64_t record = 0; !out->full(); ++record) {
    if (record % 4 == 3) {
      int64_t walk = static_cast<int64_t>(random->Next() >> 24) - (int64_t{1} << 39);
      for (size_t i = 0; i < kVectorDimensions; ++i) {
        walk += static_cast<int64_t>(random->Next() >> 32) - (int64_t{1} << 31);
        put_scaled(walk, 1.0f / (int64_t{1} << 36));
      }
      continue;
    }
    for (int link = 0; link < 32; ++link) {
      const uint32_t id = link < 20 ? static_cast<uint32_t>(random->Below(100000)) : 0;
      put32(&id);
    }
    for (size_t i = 0; i < kVectorDimensions; ++i) {
      // The sum of four uniform values is close to a normal distribution.
      const uint64_t bits = random->Next();
      const int64_t sum = static_cast<int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                               (bits >> 32 & 0xffff) + (bits >> 48)) -
                          2 * 0xffff;
      put_scaled(sum * 65536 + static_cast<int64_t>(random->Next() >> 48),
                 1.0f / (int64_t{1} << 36));
    }
  }
}

}  // namespace

std::string_view KindName(CorpusKind kind) { return kKindNames[static_cast<int>(kind)]; }

absl::StatusOr<CorpusKind> ParseKind(std::string_view name) {
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    if (kKindNames[i] == name) return static_cast<CorpusKind>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no corpus is called ", absl::string_view(name.data(), name.size()),
                   "; there are text, logs, sqlite, floats, json, random, zeros and mixed"));
}

CorpusKind KindOfBlock(CorpusKind kind, uint64_t seed, uint64_t index) {
  if (kind != CorpusKind::kMixed) return kind;
  const uint64_t run = index / kMixedRunBlocks;
  const uint64_t cycle_hash = Mix64(seed ^ Mix64(run / kMixedDeck.size() + 1));
  // An odd factor and an offset permute the deck anew in each cycle.
  return kMixedDeck[((cycle_hash | 1) * run + (cycle_hash >> 32)) % kMixedDeck.size()];
}

void BlockGenerator::Generate(CorpusKind kind, uint64_t index, MutableByteSpan out) const {
  VS_CHECK(out.size() <= kCorpusBlockBytes);
  kind = KindOfBlock(kind, seed_, index);
  Random random(Mix64(seed_) + static_cast<uint64_t>(kind), index);
  SpanWriter writer(out);
  switch (kind) {
    case CorpusKind::kText:
      return text_.WriteProse(out.size(), "\n\n", &random, &writer);
    case CorpusKind::kLogs:
      return WriteLogs(&random, &writer);
    case CorpusKind::kSqlite:
      return WriteSqlite(&random, &writer);
    case CorpusKind::kFloats:
      return WriteFloats(&random, &writer);
    case CorpusKind::kJson:
      return WriteJson(&random, &writer);
    case CorpusKind::kRandom:
      return WriteRandom(&random, out);
    case CorpusKind::kZeros:
      std::memset(out.data(), 0, out.size());
      return;
    case CorpusKind::kMixed:
      break;
  }
}

void BlockGenerator::WriteLogs(Random* random, SpanWriter* out) const {
  static constexpr std::string_view kLevels[] = {"INFO ", "INFO ", "INFO ", "DEBUG", "WARN "};
  static constexpr std::string_view kModules[] = {
      "open_webui.routers.chats:get_chat", "open_webui.routers.files:upload_file",
      "open_webui.socket.main:connect",    "open_webui.retrieval.vector:query_collection",
      "uvicorn.access:run_asgi",           "open_webui.utils.auth:decode_token"};
  static constexpr std::string_view kPaths[] = {"/api/v1/chats/", "/api/v1/files/",
                                                "/api/v1/knowledge/", "/api/models/", "/ws/"};
  constexpr uint64_t kSessions = 200;  // identifiers that come back all over a block
  const uint64_t session_seed = random->Next();
  uint64_t ms = random->Below(86'400'000);
  while (!out->full()) {
    ms += random->Below(900);
    out->Put("2025-08-");
    out->PutDecimal(1 + ms / 86'400'000 % 28, 2);
    out->Put(" ");
    out->PutDecimal(ms / 3'600'000 % 24, 2);
    out->Put(":");
    out->PutDecimal(ms / 60'000 % 60, 2);
    out->Put(":");
    out->PutDecimal(ms / 1000 % 60, 2);
    out->Put(".");
    out->PutDecimal(ms % 1000, 3);
    out->Put(" | ");
    out->Put(Pick(kLevels, random));
    out->Put(" | ");
    out->Put(Pick(kModules, random));
    out->Put(" - ");
    if (random->Chance(14, 15)) {
      Random session(session_seed, random->Below(kSessions));
      out->Put("10.0.");
      out->PutDecimal(session.Below(4));
      out->Put(".");
      out->PutDecimal(session.Below(256));
      out->Put(random->Chance(3, 4) ? " \"GET " : " \"POST ");
      out->Put(Pick(kPaths, random));
      out->PutUuid(random->Chance(3, 4) ? &session : random);
      out->Put(random->Chance(19, 20) ? " HTTP/1.1\" 200 " : " HTTP/1.1\" 404 ");
      out->PutDecimal(random->Below(60000));
    } else {
      text_.WriteProse(random->Between(30, 160), "", random, out);
    }
    out->Put("\n");
  }
}

void BlockGenerator::WriteJson(Random* random, SpanWriter* out) const {
  static constexpr std::string_view kModels[] = {"llama3.1:8b", "gpt-4o", "mistral-nemo:12b",
                                                 "qwen2.5-coder:32b"};
  uint64_t seconds = 1'750'000'000 + random->Below(8'000'000);
  while (!out->full()) {
    const bool user = random->Chance(1, 2);
    out->Put("{\"id\": \"");
    out->PutUuid(random);
    out->Put("\", \"parentId\": \"");
    out->PutUuid(random);
    out->Put("\", \"childrenIds\": [], \"role\": \"");
    out->Put(user ? "user" : "assistant");
    out->Put("\", \"content\": \"");
    text_.WriteProse(user ? random->Between(20, 400) : random->Between(200, 3000), "\\n\\n", random,
                     out);
    out->Put("\", \"timestamp\": ");
    out->PutDecimal(seconds += random->Below(300));
    out->Put(", \"models\": [\"");
    out->Put(Pick(kModels, random));
    out->Put("\"], \"done\": true, \"usage\": {\"total_duration\": ");
    out->PutDecimal(random->Below(10'000'000'000 >> 2));
    out->Put("}},\n");
  }
}

// A b-tree leaf of a table: cell pointers grow from the front, cells from the back.
void BlockGenerator::WriteLeafPage(Random* random, uint64_t* row_id, MutableByteSpan page) const {
  std::memset(page.data(), 0, page.size());
  page[0] = 0x0d;
  size_t cells = 0;
  size_t content = page.size();
  // Pages are between half and entirely full.
  const size_t floor = random->Below(page.size() / 2);
  while (true) {
    const size_t text_bytes = random->Between(24, 700);
    const size_t cell_bytes = 7 + 36 + 8 + text_bytes;
    if (content < floor + cell_bytes + 8 + 2 * (cells + 1)) break;
    content -= cell_bytes;
    SpanWriter cell(page.subspan(content, cell_bytes));
    cell.PutByte(static_cast<uint8_t>(0x80 | cell_bytes >> 7));
    cell.PutByte(static_cast<uint8_t>(cell_bytes & 0x7f));
    cell.PutByte(static_cast<uint8_t>(0x80 | *row_id >> 7));
    cell.PutByte(static_cast<uint8_t>((*row_id)++ & 0x7f));
    cell.Put("\x04\x55\x06");  // record header: its size, text of 36 bytes, an integer of 8
    cell.PutUuid(random);
    uint64_t time_be = __builtin_bswap64(1'750'000'000'000 + *row_id * 977 + random->Below(1000));
    cell.Put(std::string_view(reinterpret_cast<const char*>(&time_be), 8));
    text_.WriteProse(text_bytes, "\n\n", random, &cell);
    PutBigEndian16(&page[8 + 2 * cells++], content);
  }
  PutBigEndian16(&page[3], cells);
  PutBigEndian16(&page[5], content);
}

// A b-tree leaf of an index on an identifier.
void BlockGenerator::WriteIndexPage(Random* random, uint64_t* row_id, MutableByteSpan page) const {
  constexpr size_t kCellBytes = 4 + 36 + 4;
  std::memset(page.data(), 0, page.size());
  page[0] = 0x0a;
  const size_t cells = random->Between(45, 88);
  for (size_t i = 0; i < cells; ++i) {
    const size_t content = page.size() - (i + 1) * kCellBytes;
    SpanWriter cell(page.subspan(content, kCellBytes));
    cell.Put("\x2b\x03\x55\x04");
    cell.PutUuid(random);
    uint8_t id[4];
    PutBigEndian16(id, *row_id >> 16);
    PutBigEndian16(id + 2, (*row_id)++);
    cell.Put(std::string_view(reinterpret_cast<const char*>(id), 4));
    PutBigEndian16(&page[8 + 2 * i], content);
  }
  PutBigEndian16(&page[3], cells);
  PutBigEndian16(&page[5], page.size() - cells * kCellBytes);
}

void BlockGenerator::WriteSqlite(Random* random, SpanWriter* out) const {
  uint64_t row_id = 1000 + random->Below(1 << 20);
  std::array<uint8_t, kPageBytes> page;
  while (!out->full()) {
    const uint64_t which = random->Below(10);
    if (which < 6) {
      WriteLeafPage(random, &row_id, page);
    } else if (which < 8) {
      WriteIndexPage(random, &row_id, page);
    } else {
      // An overflow page: the number of the next one, then a long value.
      const uint32_t next_be = __builtin_bswap32(static_cast<uint32_t>(random->Below(1 << 20)));
      SpanWriter writer(page);
      writer.Put(std::string_view(reinterpret_cast<const char*>(&next_be), 4));
      WriteJson(random, &writer);
    }
    out->Put(std::string_view(reinterpret_cast<const char*>(page.data()), page.size()));
  }
}

}  // namespace volstream::bench
