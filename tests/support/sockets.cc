#include "tests/support/sockets.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "engine/check.h"

namespace volstream {
namespace {

int PortOf(int fd, bool peer) {
  sockaddr_in address = {};
  socklen_t length = sizeof(address);
  const int failed = peer ? getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length)
                          : getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return failed == 0 && address.sin_family == AF_INET ? ntohs(address.sin_port) : -1;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Bound to a free port.
int NewSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(0);
  VS_CHECK(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

}  // namespace

int FindSocket(int local_port, int remote_port) {
  int found = -1;
  DIR* const directory = opendir("/proc/self/fd");
  VS_CHECK(directory != nullptr);
  while (const dirent* const entry = readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (PortOf(fd, false) == local_port && PortOf(fd, true) == remote_port) found = fd;
  }
  closedir(directory);
  return found;
}

void ResetConnection(int fd) {
  const linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  int pair[2];
  VS_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  close(pair[1]);
  VS_CHECK(dup2(pair[0], fd) == fd);
  close(pair[0]);
}

int ListenOnLoopback() {
  const int fd = NewSocket();
  VS_CHECK(listen(fd, SOMAXCONN) == 0);
  return fd;
}

int LocalPort(int fd) { return PortOf(fd, false); }

int ConnectToLoopback(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

int RefusingPort() {
  const int fd = NewSocket();
  const int port = LocalPort(fd);
  close(fd);
  return port;
}

}  // namespace volstream
