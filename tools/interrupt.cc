#include "tools/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "engine/mutex.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

constexpr int kExitCode = static_cast<int>(ErrorKind::kInterrupted);

sigset_t HandledSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
    // Whoever started us with a signal ignored (nohup) wants it ignored; sigwait would take it.
    struct sigaction action {};
    if (sigaction(signal_number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    sigaddset(&signals, signal_number);
  }
  return signals;
}

}  // namespace

Interrupt::Interrupt() {
  // A reader of our output that went away, or a peer that closed a socket, is an error, no signal.
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([this] { Loop(); }).detach();
}

void Interrupt::SetCallback(std::function<void()> on_interrupt) {
  MutexLock lock(&mu_);
  on_interrupt_ = std::move(on_interrupt);
  if (seen_ && on_interrupt_) on_interrupt_();
}

bool Interrupt::seen() const {
  MutexLock lock(&mu_);
  return seen_;
}

void Interrupt::Loop() {
  const sigset_t signals = HandledSignals();
  while (true) {
    int signal_number = 0;
    if (sigwait(&signals, &signal_number) != 0) continue;
    MutexLock lock(&mu_);
    if (std::exchange(seen_, true) || !on_interrupt_) _exit(kExitCode);
    on_interrupt_();
  }
}

}  // namespace volstream
