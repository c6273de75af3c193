// CompareEntries over streams in memory: the order of the changes, hard links, and what fails. The
// comparison of real archives and directories is in diff_test.
#include "stages/entry_diff.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace volstream {
namespace {

EntryInfo File(std::string path, uint64_t bytes = 1) {
  EntryInfo info;
  info.path = std::move(path);
  info.bytes = bytes;
  info.mode = 0644;
  info.mtime_seconds = 1'700'000'000;
  return info;
}

EntryInfo Link(std::string path, std::string target) {
  EntryInfo info = File(std::move(path), 0);
  info.type = TarType::kHardLink;
  info.link_target = std::move(target);
  return info;
}

// Entries as given; links resolve to a file of 7 bytes. A fake, as real archives are never asked to
// resolve in vain, nor fail in the middle.
class ListStream : public EntryStream {
 public:
  explicit ListStream(std::vector<EntryInfo> entries) : entries_(std::move(entries)) {}

  absl::StatusOr<const EntryInfo*> Next() override {
    if (at_ == entries_.size()) {
      if (!end_.ok()) return end_;
      return nullptr;
    }
    return &entries_[at_++];
  }
  absl::StatusOr<EntryInfo> Resolve(const EntryInfo& link) override {
    ++resolved;
    return File(link.path, 7);
  }
  bool exact_times() const override { return true; }

  void FailAtTheEnd(absl::Status status) { end_ = std::move(status); }
  int resolved = 0;

 private:
  const std::vector<EntryInfo> entries_;
  size_t at_ = 0;
  absl::Status end_;
};

absl::Status Compare(ListStream* before, ListStream* after, std::vector<std::string>* changes) {
  return CompareEntries(before, after, /*owners=*/true, [changes](const EntryChange& change) {
    const EntryInfo& named = change.before != nullptr ? *change.before : *change.after;
    changes->push_back(absl::StrCat(change.before == nullptr  ? "+"
                                    : change.after == nullptr ? "-"
                                                              : "M",
                                    named.path, ":", named.bytes));
    return absl::OkStatus();
  });
}

using Strings = std::vector<std::string>;

TEST(CompareEntries, MergesInTheOrderOfArchives) {
  ListStream before({File(""), File("a"), File("a/b"), File("a.b"), File("z")});
  ListStream after({File(""), File("a"), File("a-b"), File("a.b", 2), File("z"), File("z/z")});
  Strings changes;
  ASSERT_TRUE(Compare(&before, &after, &changes).ok());
  EXPECT_EQ(changes, (Strings{"-a/b:1", "+a-b:1", "Ma.b:1", "+z/z:1"}));
}

TEST(CompareEntries, LooksUpOnlyLinksThatAreNotTheSame) {
  ListStream before({File("a", 7), Link("b", "a"), Link("c", "a"), Link("d", "a")});
  ListStream after({File("a", 7), Link("b", "a"), File("c", 7), File("d", 8)});
  Strings changes;
  ASSERT_TRUE(Compare(&before, &after, &changes).ok());
  EXPECT_EQ(changes, Strings{"Md:7"});
  EXPECT_EQ(before.resolved, 2);
  EXPECT_EQ(after.resolved, 0);
}

TEST(CompareEntries, GivesLinksThatCameOrWentAsFiles) {
  ListStream before({Link("a", "x")});
  ListStream after({Link("b", "x")});
  Strings changes;
  ASSERT_TRUE(Compare(&before, &after, &changes).ok());
  EXPECT_EQ(changes, (Strings{"-a:7", "+b:7"}));
}

TEST(CompareEntries, EndsWithAStreamThatFails) {
  ListStream before({File("a")});
  ListStream after({File("a"), File("b")});
  before.FailAtTheEnd(absl::UnavailableError("HTTP 503"));
  Strings changes;
  // What follows must not pass for added.
  EXPECT_TRUE(absl::IsUnavailable(Compare(&before, &after, &changes)));
  EXPECT_EQ(changes, Strings{});
}

TEST(CompareEntries, EndsWithTheVisitor) {
  ListStream before({File("a"), File("b")});
  ListStream after({});
  int visits = 0;
  const absl::Status status = CompareEntries(&before, &after, true, [&](const EntryChange&) {
    ++visits;
    return absl::ResourceExhaustedError("full");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(visits, 1);
}

TEST(DifferingFields, TakesAFractionForNothingWhereTimesAreWholeSeconds) {
  EntryInfo a = File("a");
  EntryInfo b = a;
  b.mtime_nanoseconds = 5;
  EXPECT_EQ(DifferingFields(a, b, true, false), std::vector<EntryField>{EntryField::kTime});
  EXPECT_TRUE(DifferingFields(a, b, true, true).empty());
  a.mtime_nanoseconds = 6;
  EXPECT_EQ(DifferingFields(a, b, true, true), std::vector<EntryField>{EntryField::kTime});
}

TEST(DifferingFields, LeavesOwnersOut) {
  const EntryInfo a = File("a");
  EntryInfo b = a;
  b.gid = 7;
  EXPECT_EQ(DifferingFields(a, b, true, false), std::vector<EntryField>{EntryField::kOwner});
  EXPECT_TRUE(DifferingFields(a, b, false, false).empty());
}

}  // namespace
}  // namespace volstream
