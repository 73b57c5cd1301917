#include "tools/graphviz.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

namespace dz::tool {

namespace {

using Clock = std::chrono::steady_clock;

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& o) noexcept : number_(std::exchange(o.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;

  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

/// Two ends joined to each other. A socket, since writing to a closed one can be told to raise no signal.
std::optional<std::pair<Descriptor, Descriptor>> joined() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return std::nullopt;
  return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

/// dot, started with these as its input and output. Ended and waited for at the end of its scope at the latest.
class Dot {
 public:
  Dot(int in, int out) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0) return;
    if (posix_spawnattr_init(&attributes) == 0) {
      sigset_t none;
      sigemptyset(&none);
      posix_spawnattr_setsigmask(&attributes, &none);
      posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
      char name[] = "dot", format[] = "-Tsvg";
      char* const arguments[] = {name, format, nullptr};
      if (posix_spawn_file_actions_adddup2(&actions, in, 0) == 0 && posix_spawn_file_actions_adddup2(&actions, out, 1) == 0 &&
          posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) == 0 &&
          posix_spawnp(&process_, name, &actions, &attributes, arguments, environ) != 0)
        process_ = -1;
      posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Dot() {
    if (process_ < 0) return;
    kill(process_, SIGKILL);
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Dot(const Dot&) = delete;
  Dot& operator=(const Dot&) = delete;

  bool started() const { return process_ >= 0; }
  /// It ended by itself before this time, and well.
  bool ends_well(Clock::time_point end) {
    for (;;) {
      int status = 0;
      const pid_t ended = waitpid(process_, &status, WNOHANG);
      if (ended == 0 || (ended < 0 && errno == EINTR)) {
        if (Clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        continue;
      }
      process_ = -1;
      return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
  }

 private:
  pid_t process_ = -1;
};

/// Writes all of text and reads until the end, whichever can go on. False where that fails or takes too long.
bool converse(Descriptor& to, Descriptor& from, std::string_view text, std::string& answer, Clock::time_point end) {
  for (;;) {
    if (text.empty()) to.close();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd both[] = {{from.get(), POLLIN, 0}, {to.get(), POLLOUT, 0}};  // poll passes over a closed one, −1
    const int ready = poll(both, 2, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    if (both[1].revents) {
      const ssize_t sent = send(to.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
      else if (errno == EPIPE || errno == ECONNRESET) text = {};  // it reads no more; it may still answer
      else if (errno != EINTR && errno != EAGAIN) return false;
    }
    if (both[0].revents) {
      char piece[1 << 16];
      const ssize_t got = recv(from.get(), piece, sizeof piece, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
      if (got > 0) answer.append(piece, static_cast<std::size_t>(got));
      else if (errno != EINTR && errno != EAGAIN) return false;
    }
  }
}

}  // namespace

std::string render_dot(std::string_view dot, std::chrono::milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  auto input = joined(), output = joined();
  if (!input || !output) return {};
  Dot program(input->second.get(), output->second.get());
  input->second.close();
  output->second.close();
  std::string svg;
  if (!program.started() || !converse(input->first, output->first, dot, svg, end) || !program.ends_well(end)) return {};
  const bool whole = svg.find("<svg") != std::string::npos && svg.find("</svg>") != std::string::npos;
  return whole ? svg : std::string();
}

}  // namespace dz::tool
