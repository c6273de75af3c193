#include "tests/support/sqlite_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "tests/support/sqlite_writer_shared.h"

namespace volstream {

struct SqliteWriter::Shared : SqliteWriterShared {};

SqliteWriter::SqliteWriter(const std::string& path, const SqliteWriterOptions& options) {
  const int memory = memfd_create("sqlite_writer", 0);
  int signs[2] = {-1, -1};
  if (memory < 0 || ftruncate(memory, sizeof(Shared)) != 0 || pipe2(signs, O_NONBLOCK) != 0) {
    ADD_FAILURE() << "no shared memory or pipe for the SQLite writer";
    return;
  }
  shared_ = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
  std::vector<std::string> args = {VOLSTREAM_SQLITE_WRITER,
                                   path,
                                   options.mode,
                                   std::to_string(options.bytes),
                                   std::to_string(options.page_bytes),
                                   std::to_string(options.unfinished_after),
                                   std::to_string(options.pause_after),
                                   options.exclusive ? "1" : "0"};
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    // Out of the way first: the pipe may have got the numbers that the process wants.
    const int shared_fd = fcntl(memory, F_DUPFD, 10);
    const int signs_fd = fcntl(signs[1], F_DUPFD, 10);
    dup2(shared_fd, kWriterSharedFd);
    dup2(signs_fd, kWriterSignsFd);
    close_range(kWriterSignsFd + 1, ~0U, 0);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(memory);
  close(signs[1]);
  fcntl(signs[0], F_SETFL, 0);  // the reading end waits
  fcntl(signs[0], F_SETFD, FD_CLOEXEC);
  signs_fd_ = signs[0];
  while (!shared_->ready && AwaitSign()) {
  }
  EXPECT_TRUE(shared_->ready) << "the SQLite writer did not start on " << path;
}

SqliteWriter::~SqliteWriter() {
  Kill();
  if (signs_fd_ >= 0) close(signs_fd_);
  if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
}

uint64_t SqliteWriter::confirmed() const { return shared_->confirmed; }

bool SqliteWriter::AwaitSign() {
  char bytes[4096];
  ssize_t count;
  do {
    count = read(signs_fd_, bytes, sizeof(bytes));
  } while (count < 0 && errno == EINTR);
  return count > 0;
}

bool SqliteWriter::AwaitConfirmed(uint64_t count) {
  while (confirmed() < count && AwaitSign()) {
  }
  return confirmed() >= count;
}

bool SqliteWriter::AwaitStill() {
  while (!shared_->still && AwaitSign()) {
  }
  return shared_->still;
}

uint64_t SqliteWriter::Stop() {
  shared_->stop = true;
  if (pid_ > 0) kill(pid_, kWriterWakes);
  Reap();
  return confirmed();
}

void SqliteWriter::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
  Reap();
}

void SqliteWriter::Reap() {
  if (pid_ <= 0) return;
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string SqliteValue(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  sqlite3_stmt* statement = nullptr;
  std::string value;
  if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK &&
      sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    const unsigned char* const text = sqlite3_column_text(statement, 0);
    if (text != nullptr) value = reinterpret_cast<const char*>(text);
  } else {
    value = std::string("error: ") + sqlite3_errmsg(db);
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return value;
}

SqliteCommits ReadCommits(const std::string& path) {
  SqliteCommits commits;
  commits.integrity = SqliteValue(path, "PRAGMA integrity_check");
  if (commits.integrity != "ok") return commits;
  commits.count =
      std::strtoull(SqliteValue(path, "SELECT count(*) FROM commits").c_str(), nullptr, 10);
  commits.is_prefix =
      SqliteValue(
          path,
          "SELECT (SELECT count(*) FROM commits) = coalesce((SELECT max(n) FROM commits), 0)"
          " AND coalesce((SELECT min(n) FROM commits), 1) = 1"
          " AND (SELECT n FROM tally) = (SELECT count(*) FROM commits)"
          " AND (SELECT max(n) FROM ballast) = (SELECT count(*) FROM commits)"
          " AND (SELECT n FROM ballast ORDER BY id LIMIT 1) = (SELECT n FROM tally)"
          " AND (SELECT n FROM ballast ORDER BY id DESC LIMIT 1) = (SELECT n FROM tally)"
          " AND (SELECT min(n) FROM ballast) >= 0") == "1";
  return commits;
}

}  // namespace volstream
