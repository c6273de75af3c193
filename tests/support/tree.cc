#include "tests/support/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <system_error>
#include <utility>

#include "engine/bytes.h"
#include "engine/check.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kRandomFileBytes = 3 * kMiB;

std::string TextBytes(std::mt19937_64& random, size_t count) {
  static constexpr std::string_view kWords[] = {
      "volume ", "backup ", "stream ", "{\"id\": ", "0x3f, ", "\n", "a ", "of the "};
  std::string text;
  text.reserve(count + 8);
  while (text.size() < count) text += kWords[random() % std::size(kWords)];
  text.resize(count);
  return text;
}

void SetMtime(const std::string& path, int64_t seconds, int64_t nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  VS_CHECK(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

void Chmod(const std::string& path, unsigned mode) { VS_CHECK(chmod(path.c_str(), mode) == 0); }

// An id that the container does not map cannot be given away; the file stays the test's own then.
void Chown(const std::string& path, uid_t uid, gid_t gid) {
  VS_CHECK(lchown(path.c_str(), uid, gid) == 0 || errno == EINVAL);
}

void Symlink(const std::string& target, const std::string& path) {
  VS_CHECK(symlink(target.c_str(), path.c_str()) == 0);
}

void Hardlink(const std::string& existing, const std::string& path) {
  VS_CHECK(link(existing.c_str(), path.c_str()) == 0);
}

void MakeFilesOfManySizes(const std::string& root, std::mt19937_64& random) {
  fs::create_directories(root + "/sizes");
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{1}, uint64_t{511}, uint64_t{512}, uint64_t{513}, uint64_t{1024},
        64 * kKiB, kMiB - 512, kMiB - 1, kMiB, kMiB + 1, 2 * kMiB, 2 * kMiB + 777}) {
    const std::string name = root + "/sizes/" + std::to_string(size);
    WriteFile(name + ".txt", TextBytes(random, size));
    if (size <= kMiB) WriteFile(name + ".bin", RandomBytes(random(), size));
  }
  for (int i = 0; i < 200; ++i) {
    const std::string directory = root + "/small/" + std::to_string(i % 10);
    fs::create_directories(directory);
    WriteFile(directory + "/file" + std::to_string(i), TextBytes(random, random() % 3000));
  }
}

void MakeNames(const std::string& root, bool beyond_ustar) {
  const std::string names = root + "/names";
  fs::create_directories(names + "/empty");
  fs::create_directories(names + "/.hidden/deeper");
  WriteFile(names + "/.hidden/deeper/.dot", "dot");
  WriteFile(names + "/with space and 'quotes' \"\\", "spaces");
  WriteFile(names + "/-rf", "looks like an option");
  WriteFile(names + "/new\nline\tand\x01control", "control");
  WriteFile(names + "/gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x92\xbe", "UTF-8");
  WriteFile(names + "/" + std::string(100, 'a'), "a base name of just 100");
  const std::string deep = names + "/" + std::string(60, 'p') + "/" + std::string(60, 'q');
  fs::create_directories(deep);
  WriteFile(deep + "/ustar-prefix", "needs the prefix field");
  if (!beyond_ustar) return;
  WriteFile(names + "/" + std::string(101, 'b'), "a base name of 101");
  WriteFile(names + "/" + std::string(255, 'c'), "the longest base name");
  const std::string deeper = deep + "/" + std::string(120, 'r') + "/" + std::string(120, 's');
  fs::create_directories(deeper + "/empty");
  WriteFile(deeper + "/file", "a path of more than 255 bytes");
  WriteFile(names + "/latin1-\xe9\xff\xfe", "not UTF-8");
  Symlink(std::string(150, 't') + "/" + std::string(150, 'u'), names + "/long-target");
  Hardlink(deeper + "/file", names + "/link to a long name");
}

void MakeLinks(const std::string& root, std::mt19937_64& random) {
  const std::string links = root + "/links";
  fs::create_directories(links + "/there");
  WriteFile(links + "/first", TextBytes(random, 5000));
  Hardlink(links + "/first", links + "/second");
  Hardlink(links + "/first", links + "/there/third");
  WriteFile(links + "/empty-first", "");
  Hardlink(links + "/empty-first", links + "/empty-second");
  Symlink("first", links + "/relative");
  Symlink("../links/there", links + "/to-directory");
  Symlink("/etc/hostname", links + "/absolute");
  Symlink("no/such/file", links + "/dangling");
  Symlink(".", links + "/there/self");
}

void MakeModesAndTimes(const std::string& root, const TreeOptions& options, bool is_root) {
  const bool beyond_ustar = options.beyond_ustar;
  const std::string modes = root + "/modes";
  fs::create_directories(modes + "/sticky");
  fs::create_directories(modes + "/private");
  for (const unsigned mode : {0400u, 0600u, 0644u, 0755u, 0777u, 02755u, 04755u, 0444u}) {
    const std::string name = modes + "/" + std::to_string(mode);
    WriteFile(name, "mode");
    // chown clears setuid, so the mode is set last.
    if (is_root) Chown(name, 1000 + mode, 2000 + mode);
    Chmod(name, mode);
  }
  WriteFile(modes + "/private/key", "secret", 0600);
  if (is_root) {
    Chown(root + "/links/relative", 1234, 5678);
    Chown(modes + "/private", 1234, 5678);
  }
  if (is_root && beyond_ustar) {
    WriteFile(modes + "/large-ids", "ids beyond 21 bits, the most that seven octal digits hold");
    Chown(modes + "/large-ids", 3'000'000, 4'000'000);
  }
  const std::string times = root + "/times";
  fs::create_directories(times + "/directory");
  const std::pair<const char*, std::pair<int64_t, int64_t>> kTimes[] = {
      {"nanoseconds", {1'500'000'000, 123'456'789}},
      {"one-nanosecond", {1'500'000'000, 1}},
      {"epoch", {0, 0}},
      {"before-1970", {beyond_ustar ? -86'400 : 86'400, 0}},
      {"year-2100", {4'102'444'800, 0}},
  };
  for (const auto& [name, time] : kTimes) {
    WriteFile(times + "/" + name, name);
    SetMtime(times + "/" + name, time.first, time.second);
  }
  SetMtime(root + "/links/relative", 1'400'000'000, 5'000);
  SetMtime(root + "/links/first", 1'300'000'000, 999'999'999);
  // Directories after all that is in them; a read-only one last of all.
  SetMtime(times + "/directory", 1'200'000'000, 42);
  SetMtime(times, 1'234'567'890, 0);
  Chmod(modes + "/sticky", 01777);
  Chmod(modes + "/private", options.read_only_directory ? 0500 : 0700);
  SetMtime(modes + "/private", 1'111'111'111, 111'111'111);
}

}  // namespace

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "volstream_test_XXXXXX").string();
  VS_CHECK(mkdtemp(name.data()) != nullptr);
  Chmod(name, 0755);
  path_ = fs::canonical(name).string();
}

TempDir::~TempDir() {
  std::error_code ignored;
  // Without search permission an ordinary user cannot empty a directory of his own.
  for (fs::recursive_directory_iterator it(path_, ignored), end; it != end; it.increment(ignored)) {
    if (it->is_directory(ignored) && !it->is_symlink(ignored)) {
      fs::permissions(it->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
    }
  }
  fs::remove_all(path_, ignored);
}

std::string RandomBytes(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::string bytes;
  bytes.reserve(count + 8);
  while (bytes.size() < count) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(count);
  return bytes;
}

void MakeTree(const std::string& path, const TreeOptions& options) {
  std::mt19937_64 random(options.seed);
  fs::create_directories(path);
  MakeFilesOfManySizes(path, random);
  MakeNames(path, options.beyond_ustar);
  MakeLinks(path, random);
  for (uint64_t made = 0; made < options.incompressible_bytes; made += kRandomFileBytes) {
    WriteFile(path + "/random" + std::to_string(made), RandomBytes(random(), kRandomFileBytes));
  }
  if (options.rare_files) MakeRareFiles(path + "/rare");
  MakeModesAndTimes(path, options, geteuid() == 0);
  SetMtime(path, 1'600'000'000, 600'000'001);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in.good()) return "";
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void WriteFile(const std::string& path, std::string_view contents, unsigned mode) {
  {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    out.flush();
    VS_CHECK(out.good());
  }
  Chmod(path, mode);
}

bool Exists(const std::string& path) { return fs::exists(fs::symlink_status(path)); }

std::vector<std::string> NamesIn(const std::string& path) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace volstream
