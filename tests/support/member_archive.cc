#include "tests/support/member_archive.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "engine/bytes.h"
#include "stages/digest.h"
#include "stages/gzip_codec.h"
#include "stages/tar_source.h"
#include "stages/volume_plan.h"
#include "stages/warnings.h"
#include "stages/zstd_codec.h"
#include "stages/zstd_member.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

MutableByteSpan Writable(std::string* text) {
  return MutableByteSpan(reinterpret_cast<uint8_t*>(text->data()), text->size());
}

}  // namespace

std::string MemberOf(std::string_view data, ArchiveFormat format) {
  static BlockCodec* const gzip = GzipCodec::Create(1)->release();
  static BlockCodec* const zstd = ZstdCodec::Create(1)->release();
  BlockCodec* const codec = format == ArchiveFormat::kGzip ? gzip : zstd;
  std::string member(codec->Bound(data.size()), '\0');
  const absl::StatusOr<EncodedBlock> block = codec->Encode(AsBytes(data), Writable(&member));
  EXPECT_TRUE(block.ok()) << block.status();
  member.resize(block.ok() ? block->bytes : 0);
  return member;
}

std::string IndexMemberOf(std::string_view id, std::string_view payload, ArchiveFormat format) {
  if (format == ArchiveFormat::kZstd) {
    EXPECT_EQ(id[0], 'V');
    std::string frame;
    AppendZstdPiece(id[1], payload, &frame);
    return frame;
  }
  const auto u16 = [](size_t value) {
    return std::string{static_cast<char>(value & 255), static_cast<char>(value >> 8)};
  };
  std::string member("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
  member.append(u16(payload.size() + 4)).append(id).append(u16(payload.size())).append(payload);
  return member.append(std::string("\x03\0\0\0\0\0\0\0\0\0", 10));
}

void MemberArchive::Add(std::string_view data) {
  const std::string member = MemberOf(data, format);
  members.push_back(MemberExtent{bytes.size(), member.size(), tar.size(), data.size()});
  bytes.append(member);
  tar.append(data);
}

MemberArchive ArchiveOf(const std::vector<std::string>& blocks, ArchiveFormat format) {
  MemberArchive archive{.format = format};
  for (const std::string& block : blocks) archive.Add(block);
  return archive;
}

MemberArchive RandomArchive(uint64_t seed, size_t count, size_t max_bytes, ArchiveFormat format) {
  std::mt19937_64 random(seed);
  MemberArchive archive{.format = format};
  for (size_t i = 0; i < count; ++i) {
    const size_t bytes = 512 * (1 + random() % (max_bytes / 512));
    std::string block = RandomBytes(random(), bytes);
    if (i % 2 == 0) {
      for (char& c : block) c = static_cast<char>('a' + (c & 7));
    }
    archive.Add(block);
  }
  return archive;
}

MemberArchive ArchiveOfTree(const std::string& path, ArchiveFormat format) {
  Warnings warnings;
  const absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(path, &warnings);
  EXPECT_TRUE(plan.ok()) << plan.status();
  MemberArchive archive{.format = format};
  if (!plan.ok()) return archive;
  TarSource source(plan->get(), &warnings);
  while (true) {
    std::string block(kMiB, '\0');
    const absl::StatusOr<BlockTicket> ticket = source.Next(Writable(&block));
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    if (!ticket.ok() || ticket->bytes == 0) break;
    block.resize(ticket->bytes);
    const absl::StatusOr<size_t> bytes = source.Fill(*ticket, Writable(&block));
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    block.resize(bytes.value_or(0));
    archive.Add(block);
  }
  EXPECT_EQ(warnings.count(), 0u);
  return archive;
}

}  // namespace volstream
