#include "engine/part_assembler.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

constexpr size_t kPartBytes = 100;

class PartAssemblerTest : public testing::Test {
 protected:
  void Append(uint64_t bytes) {
    const uint64_t begin = assembler_.bytes();
    std::vector<uint8_t> data;
    for (uint64_t i = 0; i < bytes; ++i) data.push_back(PatternByte(begin + i));
    ASSERT_TRUE(assembler_.Append(data, &parts_).ok());
  }
  void Flush() {
    const absl::StatusOr<std::shared_ptr<Part>> last = assembler_.Flush();
    ASSERT_TRUE(last.ok());
    if (*last != nullptr) parts_.push_back(*last);
  }
  std::vector<size_t> Sizes() const {
    std::vector<size_t> sizes;
    for (const std::shared_ptr<Part>& part : parts_) sizes.push_back(part->bytes);
    return sizes;
  }

  BufferPool pool_{PoolShape{100, 100, 1, EqualParts(kPartBytes), 8 * kPartBytes}};
  PartAssembler assembler_{&pool_};
  std::vector<std::shared_ptr<Part>> parts_;
};

TEST_F(PartAssemblerTest, CutsExactParts) {
  Append(70);
  Append(70);
  Append(70);
  Flush();
  EXPECT_EQ(Sizes(), (std::vector<size_t>{100, 100, 10}));
}

TEST_F(PartAssemblerTest, KeepsTheBytesInOrder) {
  for (int i = 0; i < 13; ++i) Append(31);
  Flush();
  uint64_t offset = 0;
  for (const std::shared_ptr<Part>& part : parts_) {
    EXPECT_EQ(part->offset, offset);
    for (const uint8_t byte : part->data()) EXPECT_EQ(byte, PatternByte(offset++));
  }
  EXPECT_EQ(offset, 13u * 31u);
}

TEST_F(PartAssemblerTest, NumbersPartsFromIndexZero) {
  Append(250);
  Flush();
  ASSERT_EQ(parts_.size(), 3u);
  EXPECT_EQ(parts_[2]->index, 2u);
  EXPECT_EQ(parts_[2]->number(), 3u);
}

TEST_F(PartAssemblerTest, EndsOnAnEdgeWithoutAnEmptyPart) {
  Append(200);
  Flush();
  EXPECT_EQ(Sizes(), (std::vector<size_t>{100, 100}));
}

TEST_F(PartAssemblerTest, AnEmptyStreamHasOneEmptyPart) {
  Flush();
  EXPECT_EQ(Sizes(), (std::vector<size_t>{0}));
}

TEST_F(PartAssemblerTest, OneBlockCanFillSeveralParts) {
  Append(430);
  EXPECT_EQ(parts_.size(), 4u);
}

}  // namespace
}  // namespace volstream
