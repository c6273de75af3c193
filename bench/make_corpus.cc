// make_corpus: writes a directory tree like a volume of OpenWebUI, of a given size, from a seed.
// The same arguments give the same tree: names, bytes, modes and modification times. No block of
// it occurs twice, so a tool that removes duplicates gains nothing.
//
//   make_corpus DIRECTORY --bytes 1GiB [--seed N] [--sparse-bytes 16GiB] [--small-files N]
//   make_corpus DIRECTORY --kind text=200MiB --kind random=50MiB
//
// Shares by bytes: a third images and PDFs (random bytes, 64 KiB to 16 MiB), 22 % two SQLite
// databases, 9 % a vector index, 12.5 % small text files (0.2 to 64 KiB), 12.5 % chat exports,
// 6 % logs, 3 % zeros. --kind replaces the mix by so many bytes of
// each kind given. --small-files adds so many text files of 1 to 16 KiB. --sparse-bytes adds files
// of that apparent size that are almost all hole: bytes that tar must read and no disk must hold.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/corpus.h"
#include "bench/generator.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"

namespace volstream::bench {
namespace {

// Of access and of modification: 2025-08-11T11:16:28Z.
constexpr timespec kModified[2] = {{1754910988, 0}, {1754910988, 0}};

struct FilePlan {
  std::string path;  // relative to the tree
  CorpusKind kind = CorpusKind::kZeros;
  uint64_t bytes = 0;
  uint64_t first_block = 0;  // of the kind's stream; no two files share a block
  bool sparse = false;
};

using KindBytes = std::array<uint64_t, kPlainKindCount>;

// A volume of OpenWebUI of so many bytes.
KindBytes MixOf(uint64_t bytes) {
  KindBytes mix{};
  const auto set = [&mix, bytes](CorpusKind kind, uint64_t of_32) {
    mix[static_cast<int>(kind)] = bytes / 32 * of_32;
  };
  set(CorpusKind::kSqlite, 7);
  set(CorpusKind::kFloats, 3);
  set(CorpusKind::kRandom, 11);
  set(CorpusKind::kText, 4);
  set(CorpusKind::kJson, 4);
  set(CorpusKind::kLogs, 2);
  mix[static_cast<int>(CorpusKind::kZeros)] = bytes - bytes / 32 * 31;
  return mix;
}

// From words such as text=200MiB.
absl::StatusOr<KindBytes> ParseKinds(const std::vector<std::string>& words) {
  KindBytes kinds{};
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("--kind ", word, ": write KIND=SIZE"));
    }
    VS_ASSIGN_OR_RETURN(const CorpusKind kind, ParseKind(word.substr(0, equals)));
    std::string bytes = word.substr(equals + 1);
    const std::string error = CLI::AsSizeValue(/*kb_is_1000=*/true)(bytes);
    if (!error.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--kind ", word, ": ", error));
    }
    if (kind == CorpusKind::kMixed) {
      return absl::InvalidArgumentError("--kind mixed: that is --bytes");
    }
    kinds[static_cast<int>(kind)] = std::stoull(bytes);
  }
  return kinds;
}

class TreePlan {
 public:
  TreePlan(const KindBytes& bytes, uint64_t seed) : random_(seed, /*stream=*/0x74726565) {
    const auto of = [&bytes](CorpusKind kind) { return bytes[static_cast<int>(kind)]; };
    const uint64_t sqlite = of(CorpusKind::kSqlite);
    AddFile("webui.db", CorpusKind::kSqlite, sqlite / 7 * 5);
    AddFile("vector_db/chroma.sqlite3", CorpusKind::kSqlite, sqlite - sqlite / 7 * 5);
    const uint64_t floats = of(CorpusKind::kFloats);
    AddFile("vector_db/2b6d8f0a/data_level0.bin", CorpusKind::kFloats, floats / 3 * 2);
    AddFile("vector_db/9e41c7d3/data_level0.bin", CorpusKind::kFloats, floats - floats / 3 * 2);
    const uint64_t random = of(CorpusKind::kRandom);
    AddFiles("uploads", ".jpg", CorpusKind::kRandom, random / 11 * 5, 16, 22);
    AddFiles("uploads", ".pdf", CorpusKind::kRandom, random - random / 11 * 5, 18, 24);
    AddFiles("knowledge", ".md", CorpusKind::kText, of(CorpusKind::kText), 8, 16);
    AddFiles("exports", ".json", CorpusKind::kJson, of(CorpusKind::kJson), 12, 20);
    AddFiles("logs", ".log", CorpusKind::kLogs, of(CorpusKind::kLogs), 22, 25);
    AddFile("cache/preallocated.bin", CorpusKind::kZeros, of(CorpusKind::kZeros));
  }

  void AddSmallFiles(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      AddFile(absl::StrFormat("small/%03d/%06d.txt", i / 200, i), CorpusKind::kText,
              random_.Between(kKiB, 16 * kKiB));
    }
  }

  // Files of 1 GiB and the rest, each a hole but for one block in each 64 MiB.
  void AddSparse(uint64_t bytes) {
    for (int i = 0; bytes > 0; ++i) {
      FilePlan file{absl::StrFormat("sparse/image_%03d.raw", i), CorpusKind::kSqlite,
                    std::min(bytes, kGiB), NextBlocks(CorpusKind::kSqlite, kGiB / 64 / kMiB), true};
      bytes -= file.bytes;
      files_.push_back(std::move(file));
    }
  }

  const std::vector<FilePlan>& files() const { return files_; }

 private:
  uint64_t NextBlocks(CorpusKind kind, uint64_t count) {
    uint64_t& next = next_block_[static_cast<int>(kind)];
    return std::exchange(next, next + count);
  }

  void AddFile(std::string path, CorpusKind kind, uint64_t bytes) {
    if (bytes == 0) return;
    const uint64_t blocks = (bytes + kCorpusBlockBytes - 1) / kCorpusBlockBytes;
    files_.push_back(FilePlan{std::move(path), kind, bytes, NextBlocks(kind, blocks), false});
  }

  // Sizes between 2^min_log2 and 2^max_log2 bytes, each power of two equally likely; 200 files a
  // subfolder.
  void AddFiles(std::string_view folder, std::string_view extension, CorpusKind kind,
                uint64_t bytes, int min_log2, int max_log2) {
    for (uint64_t i = 0; bytes > 0; ++i) {
      const uint64_t log2 = random_.Between(min_log2, max_log2 - 1);
      const uint64_t size =
          std::min(bytes, random_.Between(uint64_t{1} << log2, (uint64_t{2} << log2) - 1));
      AddFile(absl::StrFormat("%s/%03d/%06d%s", folder, i / 200, i, extension), kind, size);
      bytes -= size;
    }
  }

  Random random_;
  std::array<uint64_t, kPlainKindCount> next_block_{};
  std::vector<FilePlan> files_;
};

absl::Status SystemError(std::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno,
                             absl::StrCat(absl::string_view(what.data(), what.size()), " ", path));
}

absl::Status WriteAll(int fd, const std::string& path, uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) return SystemError("cannot write", path);
    offset += static_cast<uint64_t>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status WriteBytes(int fd, const std::string& path, const FilePlan& file,
                        const BlockGenerator& generator) {
  const uint64_t stride = file.sparse ? 64 * kMiB : kCorpusBlockBytes;
  std::vector<uint8_t> block(kCorpusBlockBytes);
  for (uint64_t at = 0, index = file.first_block; at < file.bytes; at += stride, ++index) {
    const size_t count = std::min<uint64_t>(kCorpusBlockBytes, file.bytes - at);
    generator.Generate(file.kind, index, MutableByteSpan(block).first(count));
    VS_RETURN_IF_ERROR(WriteAll(fd, path, at, ByteSpan(block).first(count)));
  }
  if (file.sparse && ftruncate(fd, static_cast<off_t>(file.bytes)) != 0) {
    return SystemError("cannot extend", path);
  }
  if (futimens(fd, kModified) != 0) return SystemError("cannot set the time of", path);
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, const FilePlan& file,
                       const BlockGenerator& generator) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return SystemError("cannot create", path);
  const absl::Status status = WriteBytes(fd, path, file, generator);
  if (close(fd) != 0 && status.ok()) return SystemError("cannot write", path);
  return status;
}

// After the files: making one changes the time of its folder.
absl::Status SetFolderTimes(const std::string& root) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_directory() && utimensat(AT_FDCWD, entry.path().c_str(), kModified, 0) != 0) {
      return SystemError("cannot set the time of", entry.path());
    }
  }
  return absl::OkStatus();
}

absl::Status WriteTree(const std::string& root, const TreePlan& plan, uint64_t seed) {
  for (const FilePlan& file : plan.files()) {
    std::error_code error;
    const std::filesystem::path folder = (std::filesystem::path(root) / file.path).parent_path();
    std::filesystem::create_directories(folder, error);
    if (error) return absl::UnavailableError("cannot create " + folder.string());
  }
  const BlockGenerator generator(seed);
  std::atomic<size_t> next{0};
  Mutex mu;
  absl::Status first_error;
  const auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < plan.files().size();) {
      const FilePlan& file = plan.files()[i];
      const absl::Status status = WriteFile(root + "/" + file.path, file, generator);
      if (status.ok()) continue;
      MutexLock lock(&mu);
      first_error.Update(status);
      return;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back(work);
  }
  for (std::thread& thread : threads) thread.join();
  if (!first_error.ok()) return first_error;
  return SetFolderTimes(root);
}

absl::Status WriteStream(CorpusKind kind, uint64_t bytes, uint64_t seed) {
  const Corpus corpus(kind, seed);
  std::vector<uint8_t> buffer(kMiB);
  for (uint64_t at = 0; at < bytes;) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(buffer.size(), bytes - at));
    corpus.Read(at, MutableByteSpan(buffer).first(count));
    for (size_t done = 0; done < count;) {
      const ssize_t written = write(STDOUT_FILENO, buffer.data() + done, count - done);
      if (written < 0) return SystemError("cannot write to", "standard output");
      done += static_cast<size_t>(written);
    }
    at += count;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  using namespace volstream::bench;
  std::string root;
  uint64_t bytes = volstream::kGiB;
  uint64_t sparse_bytes = 0;
  uint64_t small_files = 0;
  uint64_t seed = kDefaultSeed;
  std::vector<std::string> kinds;
  std::string stream_kind = "mixed";
  CLI::App app("Writes a seeded directory tree like a volume of OpenWebUI, or a stream");
  const CLI::AsSizeValue size(/*kb_is_1000=*/true);
  app.add_option("directory", root,
                 "created; must be empty or missing; -: a stream of the corpus to standard output")
      ->required();
  app.add_option("--bytes", bytes, "bytes of all files; MB = 10^6, MiB = 2^20")->transform(size);
  app.add_option("--sparse-bytes", sparse_bytes, "apparent size of sparse files beside them")
      ->transform(size);
  app.add_option("--kind", kinds,
                 "KIND=SIZE instead of the mix: text, logs, sqlite, floats, json, random or zeros; "
                 "may be repeated");
  app.add_option("--small-files", small_files, "so many text files of 1 to 16 KiB beside them");
  app.add_option("--seed", seed);
  app.add_option("--stream-kind", stream_kind, "of a stream: one of these, or mixed");
  CLI11_PARSE(app, argc, argv);
  if (root == "-") {
    const absl::StatusOr<CorpusKind> kind = ParseKind(stream_kind);
    const absl::Status written = kind.ok() ? WriteStream(*kind, bytes, seed) : kind.status();
    if (!written.ok()) std::cerr << "make_corpus: " << written.message() << "\n";
    return written.ok() ? 0 : 1;
  }
  const absl::StatusOr<KindBytes> kind_bytes =
      kinds.empty() ? absl::StatusOr<KindBytes>(MixOf(bytes)) : ParseKinds(kinds);
  absl::Status status = kind_bytes.status();
  uint64_t total = 0;
  size_t files = 0;
  if (status.ok()) {
    TreePlan plan(*kind_bytes, seed);
    plan.AddSmallFiles(small_files);
    plan.AddSparse(sparse_bytes);
    for (const FilePlan& file : plan.files()) total += file.bytes;
    files = plan.files().size();
    status = WriteTree(root, plan, seed);
  }
  if (!status.ok()) {
    std::cerr << "make_corpus: " << status.message() << "\n";
    return 1;
  }
  std::cout << files << " files, " << total << " bytes in " << root << "\n";
  return 0;
}
