// The rare files of MakeTree: what most trees lack, and a backup must keep all the same.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/bytes.h"
#include "engine/check.h"
#include "stages/beneath.h"
#include "tests/support/attributes.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kUser = 1234;
constexpr gid_t kGroup = 5678;

// To a name of any kind: links to symlinks are made to the link itself.
void Hardlink(const std::string& existing, const std::string& path) {
  VS_CHECK(linkat(AT_FDCWD, existing.c_str(), AT_FDCWD, path.c_str(), 0) == 0);
}

void MakeHoles(const std::string& path) {
  fs::create_directory(path);
  WriteSparseFile(path + "/all", 5 * kMiB, {});
  WriteSparseFile(path + "/head", 5 * kMiB, {{4 * kMiB, kMiB}});
  WriteSparseFile(path + "/middle", 5 * kMiB, {{0, kMiB}, {4 * kMiB, kMiB}});
  WriteSparseFile(path + "/tail", 5 * kMiB + 1, {{0, kMiB}});
  WriteSparseFile(path + "/unaligned", 5 * kMiB + 777, {{2 * kMiB + 5, 3}, {5 * kMiB + 700, 77}});
  WriteSparseFile(path + "/large", 9 * kGiB + 1, {{0, 100}, {5 * kGiB, 5000}, {9 * kGiB, 1}});
  const std::string long_name = path + "/" + std::string(200, 'n');
  WriteSparseFile(long_name, 5 * kMiB, {{kMiB, 4096}});
  std::vector<std::pair<uint64_t, uint64_t>> many;
  for (uint64_t i = 0; i < 300; ++i) many.emplace_back(i * 64 * kKiB, 1 + i * 7);
  WriteSparseFile(path + "/many", 300 * 64 * kKiB, many);
  Hardlink(path + "/many", path + "/many-too");
}

void MakeNodes(const std::string& path) {
  fs::create_directory(path);
  VS_CHECK(mkfifo((path + "/fifo").c_str(), 0640) == 0);
  Hardlink(path + "/fifo", path + "/fifo-too");
  fs::create_symlink("no/such/file", path + "/symlink");
  Hardlink(path + "/symlink", path + "/symlink-too");
  fs::create_symlink(std::string(4095, 't'), path + "/longest-target");
  fs::create_symlink("line\nend\xff", path + "/odd-target");
  // Where the container forbids device nodes there are none.
  if (mknod((path + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) {
    Hardlink(path + "/null", path + "/null-too");
    VS_CHECK(mknod((path + "/loop").c_str(), S_IFBLK | 0660, makedev(7, 300)) == 0);
  }
}

void MakeAttributes(const std::string& path) {
  fs::create_directory(path);
  const std::string file = path + "/file";
  WriteFile(file, "has attributes");
  if (!TakesAttributes(path)) return;
  const auto set = [](const std::string& name, const std::string& attribute,
                      const std::string& value) { VS_CHECK(SetAttribute(name, attribute, value)); };
  set(file, "user.text", "value");
  set(file, "user.binary", std::string("\0\n=%\xff\0", 6));
  set(file, "user.empty", "");
  set(file, "user.gr\xc3\xbc\xc3\x9f", "a name in UTF-8");
  WriteFile(path + "/odd-names", "");
  set(path + "/odd-names", "user.a=b", "an equals sign");
  set(path + "/odd-names", "user.c%d", "a percent sign");
  set(path, "user.of-a-directory", "value");
  WriteFile(path + "/long", "");
  set(path + "/long", "user.long", RandomBytes(1, 3000));
  WriteFile(path + "/linked", "");
  set(path + "/linked", "user.linked", "value");
  Hardlink(path + "/linked", path + "/linked-too");
  WriteSparseFile(path + "/sparse", 5 * kMiB, {{kMiB, 4096}});
  set(path + "/sparse", "user.of-a-sparse-file", "value");
  if (geteuid() == 0) {
    set(file, "trusted.t", "value");
    fs::create_symlink("file", path + "/link");
    set(path + "/link", "trusted.of-a-link", "value");
    WriteFile(path + "/capable", "", 0755);
    VS_CHECK(chown((path + "/capable").c_str(), kUser, kGroup) == 0);
    set(path + "/capable", kCapabilityName, SomeCapability());
  }
}

void MakeAcls(const std::string& path) {
  fs::create_directory(path);
  WriteFile(path + "/access", "");
  if (!TakesAcls(path)) return;
  VS_CHECK(SetAttribute(path + "/access", kAccessAclName, SomeAcl(kUser, kGroup)));
  fs::create_directory(path + "/default");
  VS_CHECK(SetAttribute(path + "/default", kDefaultAclName, SomeAcl(kUser, kGroup, 7)));
  fs::create_directory(path + "/both");
  VS_CHECK(SetAttribute(path + "/both", kDefaultAclName, SomeAcl(kUser, kGroup, 7)));
  VS_CHECK(SetAttribute(path + "/both", kAccessAclName, SomeAcl(kGroup, kUser, 7)));
  // These get their ACL from the directory.
  WriteFile(path + "/both/file", "");
  fs::create_directory(path + "/both/directory");
}

}  // namespace

void WriteSparseFile(const std::string& path, uint64_t bytes,
                     const std::vector<std::pair<uint64_t, uint64_t>>& data) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  VS_CHECK(fd.valid() && ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
  for (const auto& [offset, count] : data) {
    const std::string text = RandomBytes(offset + count, count);
    VS_CHECK(pwrite(fd.get(), text.data(), count, static_cast<off_t>(offset)) ==
             static_cast<ssize_t>(count));
  }
}

void MakeRareFiles(const std::string& path) {
  fs::create_directories(path + "/empty");
  WriteFile(path + "/immutable", "a test may make it so");
  fs::create_directory(path + "/cache");
  WriteFile(path + "/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
  WriteFile(path + "/cache/cached", "can be made again");
  MakeHoles(path + "/holes");
  MakeNodes(path + "/nodes");
  MakeAttributes(path + "/attributes");
  MakeAcls(path + "/acls");
}

}  // namespace volstream
