// PartQueue: parts come out in order whatever order they are put in, and whoever waits is told of
// the end.
#include "stages/part_queue.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/buffer_pool.h"
#include "engine/message.h"

namespace volstream {
namespace {

class PartQueueTest : public ::testing::Test {
 protected:
  std::shared_ptr<Part> MakePart(uint64_t index) {
    absl::StatusOr<PartLease> lease = pool_.TakePart();
    EXPECT_TRUE(lease.ok());
    auto part = std::make_shared<Part>();
    part->index = index;
    part->lease = *std::move(lease);
    return part;
  }
  // Put's outcome goes to outcomes_[index].
  void Put(uint64_t index) {
    if (outcomes_.size() <= index) outcomes_.resize(index + 1);
    queue_.Put(MakePart(index), [this, index](absl::Status status) { outcomes_[index] = status; });
  }

  BufferPool pool_{PoolShape{16, 16, 1, EqualParts(64), 4 * 64}};
  PartQueue queue_;
  std::vector<std::optional<absl::Status>> outcomes_;
};

TEST_F(PartQueueTest, GivesPartsInTheirOrder) {
  for (const uint64_t index : {2, 0, 1}) Put(index);
  for (uint64_t index = 0; index < 3; ++index) EXPECT_EQ((*queue_.Pop())->index, index);
}

TEST_F(PartQueueTest, APartIsDoneWhenItWasTakenAndItsBufferComesBackWhenItIsDropped) {
  Put(0);
  EXPECT_EQ(outcomes_[0], std::nullopt);
  std::shared_ptr<const Part> part = *queue_.Pop();
  EXPECT_EQ(outcomes_[0], absl::OkStatus());
  EXPECT_EQ(pool_.usage().parts_in_use, 1u);
  part.reset();
  EXPECT_EQ(pool_.usage().parts_in_use, 0u);
}

TEST_F(PartQueueTest, WaitsForThePartThatIsNext) {
  Put(1);
  std::thread producer([this] { Put(0); });
  EXPECT_EQ((*queue_.Pop())->index, 0u);
  producer.join();
  EXPECT_EQ((*queue_.Pop())->index, 1u);
}

TEST_F(PartQueueTest, GivesNullAtTheEndAndEverAfter) {
  Put(0);
  EXPECT_NE(*queue_.Pop(), nullptr);
  std::thread ender([this] { queue_.End(absl::OkStatus()); });
  EXPECT_EQ(*queue_.Pop(), nullptr);
  EXPECT_EQ(*queue_.Pop(), nullptr);
  ender.join();
}

TEST_F(PartQueueTest, CancelDropsWhatWaitsAndPopHearsWhyItEnded) {
  Put(0);
  Put(2);
  queue_.Cancel();
  EXPECT_EQ(pool_.usage().parts_in_use, 0u);
  EXPECT_TRUE(absl::IsCancelled(*outcomes_[0]));
  EXPECT_TRUE(absl::IsCancelled(*outcomes_[2]));
  std::thread ender([this] { queue_.End(absl::DataLossError("damaged")); });
  EXPECT_EQ(queue_.Pop().status(), absl::DataLossError("damaged"));
  ender.join();
  queue_.End(absl::OkStatus());
  EXPECT_EQ(queue_.Pop().status(), absl::DataLossError("damaged"));
}

TEST_F(PartQueueTest, AFailureDropsWhatWaits) {
  Put(0);
  queue_.End(absl::UnavailableError("no answer"));
  EXPECT_TRUE(absl::IsCancelled(*outcomes_[0]));
  EXPECT_EQ(queue_.Pop().status(), absl::UnavailableError("no answer"));
}

TEST_F(PartQueueTest, RefusesPartsOnceItWasCancelled) {
  queue_.Cancel();
  EXPECT_TRUE(absl::IsCancelled(queue_.Begin(StreamShape())));
  Put(0);
  EXPECT_TRUE(absl::IsCancelled(*outcomes_[0]));
  EXPECT_EQ(pool_.usage().parts_in_use, 0u);
}

}  // namespace
}  // namespace volstream
