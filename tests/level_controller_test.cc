// LevelController: where it goes under pressures that stay, that change and that alternate.
#include "stages/level_controller.h"

#include <gtest/gtest.h>

#include <set>

namespace volstream {
namespace {

constexpr size_t kPartRoom = 13;
constexpr size_t kBlockRoom = 5;

Pressure Sample(size_t parts_waiting, size_t blocks_in_hand) {
  Pressure pressure;
  pressure.parts_delivered = 1;
  pressure.parts_waiting = parts_waiting;
  pressure.part_room = kPartRoom;
  pressure.blocks_in_hand = blocks_in_hand;
  pressure.block_room = kBlockRoom;
  return pressure;
}

const Pressure kNetworkBound = Sample(kPartRoom, kBlockRoom);
const Pressure kWorkerBound = Sample(0, kBlockRoom);
const Pressure kSourceBound = Sample(0, 1);
const Pressure kBalanced = Sample(kPartRoom / 2, kBlockRoom);

void Feed(LevelController* controller, const Pressure& pressure, int windows) {
  for (int i = 0; i < windows * LevelController::kWindowBlocks; ++i) controller->Add(pressure);
}

TEST(LevelController, BeginsWhereItIsToldAndStaysWhileAllIsBalanced) {
  LevelController controller({1, 9, 6});
  EXPECT_EQ(controller.level(), 6);
  Feed(&controller, kBalanced, 50);
  EXPECT_EQ(controller.level(), 6);
}

TEST(LevelController, RisesToTheLargestWhileSinksHoldThePartsUp) {
  LevelController controller({1, 9, 6});
  Feed(&controller, kNetworkBound, 20);
  EXPECT_EQ(controller.level(), 9);
}

TEST(LevelController, FallsToTheSmallestWhileWorkersAreTheBottleneck) {
  LevelController controller({2, 9, 6});
  Feed(&controller, kWorkerBound, 20);
  EXPECT_EQ(controller.level(), 2);
}

TEST(LevelController, RisesWhileWorkersWaitForTheSource) {
  LevelController controller({1, 9, 6});
  Feed(&controller, kSourceBound, 20);
  EXPECT_EQ(controller.level(), 9);
}

TEST(LevelController, StepsOnceAWindowAndLetsEachStepShow) {
  LevelController controller({1, 9, 6});
  for (int step = 1; step <= 3; ++step) {
    for (int i = 1; i < LevelController::kWindowBlocks; ++i) {
      EXPECT_EQ(controller.Add(kWorkerBound), 7 - step) << i;
    }
    EXPECT_EQ(controller.Add(kWorkerBound), 6 - step);
    Feed(&controller, kWorkerBound, 1);
    EXPECT_EQ(controller.level(), 6 - step) << "the window after a step";
  }
}

TEST(LevelController, KnowsNothingBeforeAPartWentThrough) {
  LevelController controller({1, 9, 6});
  Pressure early = kWorkerBound;
  early.parts_delivered = 0;
  Feed(&controller, early, 50);
  EXPECT_EQ(controller.level(), 6);
}

// The first part may take a minute on a slow link: memory that is full says enough.
TEST(LevelController, RisesBeforeAPartWentThroughWhenAllMemoryWaits) {
  LevelController controller({1, 9, 6});
  Pressure early = kNetworkBound;
  early.parts_delivered = 0;
  Feed(&controller, early, 50);
  EXPECT_EQ(controller.level(), 9);
}

TEST(LevelController, SettlesBetweenTwoLevelsThatAreTooSlowAndTooFast) {
  // A link that levels below 4 outrun and levels from 4 on do not quite fill.
  LevelController controller({1, 9, 9});
  std::set<int> seen;
  for (int i = 0; i < 1000; ++i) {
    controller.Add(controller.level() < 4 ? kNetworkBound : kBalanced);
    if (i > 500) seen.insert(controller.level());
  }
  EXPECT_EQ(seen.size(), 1u);
}

TEST(LevelController, AlternatesByOneLevelAtMostBetweenOpposites) {
  LevelController controller({1, 9, 1});
  int changes = 0;
  std::set<int> seen;
  for (int i = 0; i < 1600; ++i) {
    const int before = controller.level();
    controller.Add(controller.level() < 4 ? kNetworkBound : kWorkerBound);
    if (i < 800) continue;
    seen.insert(controller.level());
    changes += controller.level() != before ? 1 : 0;
  }
  EXPECT_EQ(seen, (std::set<int>{3, 4}));
  EXPECT_LE(changes, 800 / (2 * LevelController::kWindowBlocks));
}

TEST(LevelController, OneWaitingPartIsMuchWhereThereIsRoomForOne) {
  LevelController controller({1, 9, 6});
  Pressure pressure = kWorkerBound;
  pressure.part_room = 1;
  pressure.parts_waiting = 1;
  Feed(&controller, pressure, 20);
  EXPECT_EQ(controller.level(), 9);
}

TEST(LevelController, OneLevelNeverMoves) {
  LevelController controller({5, 5, 5});
  Feed(&controller, kWorkerBound, 5);
  Feed(&controller, kNetworkBound, 5);
  EXPECT_EQ(controller.level(), 5);
}

}  // namespace
}  // namespace volstream
