#include "tests/support/guards.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "engine/check.h"

namespace volstream {
namespace {

constexpr uid_t kNobodyId = 65534;

bool SetFlag(const std::string& path, bool on) {
  const int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  int flags = 0;
  bool done = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
  flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
  done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
  close(fd);
  return done;
}

}  // namespace

Mount::Mount(const std::string& path) : path_(path) {
  mounted_ = mount("tmpfs", path.c_str(), "tmpfs", 0, "size=4m,mode=0755") == 0;
  if (!mounted_) std::printf("no tmpfs here (%s)\n", strerror(errno));
}

Mount::Mount(const std::string& source, const std::string& path) : path_(path) {
  mounted_ = mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0;
  if (!mounted_) std::printf("no bind mount here (%s)\n", strerror(errno));
}

Mount::~Mount() {
  if (mounted_) VS_CHECK(umount2(path_.c_str(), MNT_DETACH) == 0);
}

ImmutableFlag::ImmutableFlag(const std::string& path) : path_(path) {
  set_ = SetFlag(path, true);
  if (!set_) std::printf("no immutable flag here (%s)\n", strerror(errno));
}

ImmutableFlag::~ImmutableFlag() {
  if (set_) VS_CHECK(SetFlag(path_, false));
}

FewDescriptors::FewDescriptors(unsigned limit) {
  VS_CHECK(getrlimit(RLIMIT_NOFILE, &before_) == 0);
  const rlimit lower = {limit, before_.rlim_max};
  VS_CHECK(setrlimit(RLIMIT_NOFILE, &lower) == 0);
}

FewDescriptors::~FewDescriptors() { VS_CHECK(setrlimit(RLIMIT_NOFILE, &before_) == 0); }

AsNobody::AsNobody() { VS_CHECK(setegid(kNobodyId) == 0 && seteuid(kNobodyId) == 0); }

AsNobody::~AsNobody() { VS_CHECK(seteuid(0) == 0 && setegid(0) == 0); }

EnvironmentGuard::EnvironmentGuard(const std::map<std::string, std::string>& variables) {
  for (const auto& [name, value] : variables) {
    const char* const before = std::getenv(name.c_str());
    before_[name] = before == nullptr ? std::nullopt : std::optional<std::string>(before);
    setenv(name.c_str(), value.c_str(), 1);
  }
}

EnvironmentGuard::~EnvironmentGuard() {
  for (const auto& [name, value] : before_) {
    if (value.has_value()) {
      setenv(name.c_str(), value->c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
}

int OpenDescriptors() {
  // Less the one that the iteration itself has.
  std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<int>(std::distance(begin(all), end(all))) - 1;
}

}  // namespace volstream
