// TreeWriterTest: a TreeWriter with a target of its own, and entries in a few words.
#ifndef VOLSTREAM_TESTS_SUPPORT_TREE_WRITER_FIXTURE_H_
#define VOLSTREAM_TESTS_SUPPORT_TREE_WRITER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mutex.h"
#include "stages/tree_writer.h"
#include "tests/support/tree.h"

namespace volstream {

inline constexpr int64_t kEntrySeconds = 1'600'000'000;  // mtime, unless an entry says otherwise

inline RestoreEntry EntryOf(TarType type, std::string path) {
  RestoreEntry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.mode = type == TarType::kDirectory ? 0755 : 0644;
  entry.mtime_seconds = kEntrySeconds;
  return entry;
}

inline RestoreEntry LinkEntry(TarType type, std::string path, std::string link_target) {
  RestoreEntry entry = EntryOf(type, std::move(path));
  entry.link_target = std::move(link_target);
  return entry;
}

class TreeWriterTest : public ::testing::Test {
 protected:
  TreeWriterTest() {
    options_.target = directory_ / "target";
    options_.threads = 4;
    options_.on_warning = [this](std::string_view text) {
      MutexLock lock(&mu_);
      warnings_.emplace_back(text);
    };
  }

  void Open() {
    absl::StatusOr<std::unique_ptr<TreeWriter>> writer = TreeWriter::Open(options_);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
  }

  TreeWriter& writer() {
    if (writer_ == nullptr) Open();
    return *writer_;
  }

  static EntryData Piece(uint64_t offset, std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    return {offset,
            {ByteSpan(reinterpret_cast<const uint8_t*>(owner->data()), owner->size()), owner}};
  }

  void Add(const RestoreEntry& entry) {
    const absl::Status status = writer().Begin(entry);
    ASSERT_TRUE(status.ok()) << entry.path << ": " << status;
  }
  void AddFile(RestoreEntry entry, const std::string& contents) {
    entry.bytes = contents.size();
    Add(entry);
    const absl::Status status = writer().Write(Piece(0, contents));
    ASSERT_TRUE(status.ok()) << entry.path << ": " << status;
  }
  void AddFile(const std::string& path, const std::string& contents) {
    AddFile(EntryOf(TarType::kFile, path), contents);
  }
  void AddDirectory(const std::string& path) { Add(EntryOf(TarType::kDirectory, path)); }

  // Nothing may follow but Open.
  TreeWriterReport Finish() {
    absl::StatusOr<TreeWriterReport> report = writer().Finish();
    EXPECT_TRUE(report.ok()) << report.status();
    writer_ = nullptr;
    return report.ok() ? *report : TreeWriterReport();
  }

  std::string Target(std::string_view name = "") const {
    return name.empty() ? options_.target : options_.target + "/" + std::string(name);
  }
  std::vector<std::string> warnings() {
    MutexLock lock(&mu_);
    return warnings_;
  }

  TempDir directory_;
  TreeWriterOptions options_;
  std::unique_ptr<TreeWriter> writer_;
  Mutex mu_;
  std::vector<std::string> warnings_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TREE_WRITER_FIXTURE_H_
