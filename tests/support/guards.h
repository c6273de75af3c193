// What a test changes of its surroundings, put back when the object goes, failed or not.
#ifndef VOLSTREAM_TESTS_SUPPORT_GUARDS_H_
#define VOLSTREAM_TESTS_SUPPORT_GUARDS_H_

#include <sys/resource.h>

#include <map>
#include <optional>
#include <string>

namespace volstream {

// A tmpfs of 4 MiB, or a bind mount of `source`, at the directory `path`.
class Mount {
 public:
  explicit Mount(const std::string& path);
  Mount(const std::string& source, const std::string& path);
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  // False where one may not mount.
  bool mounted() const { return mounted_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

// chattr +i. An immutable file can be neither removed nor linked.
class ImmutableFlag {
 public:
  explicit ImmutableFlag(const std::string& path);
  ~ImmutableFlag();
  ImmutableFlag(const ImmutableFlag&) = delete;
  ImmutableFlag& operator=(const ImmutableFlag&) = delete;

  bool is_set() const { return set_; }

 private:
  const std::string path_;
  bool set_ = false;
};

// At most this many descriptors for the process.
class FewDescriptors {
 public:
  explicit FewDescriptors(unsigned limit);
  ~FewDescriptors();
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

// The rights of nobody, user and group, for the whole process. REQUIRES: runs as root.
class AsNobody {
 public:
  AsNobody();
  ~AsNobody();
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
};

// These variables for the process. REQUIRES: no other thread looks at the environment.
class EnvironmentGuard {
 public:
  explicit EnvironmentGuard(const std::map<std::string, std::string>& variables);
  ~EnvironmentGuard();
  EnvironmentGuard(const EnvironmentGuard&) = delete;
  EnvironmentGuard& operator=(const EnvironmentGuard&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

// Descriptors that the process has open.
int OpenDescriptors();

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_GUARDS_H_
