#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include <dz/tensor/error.hpp>

#include "tools/commands.hpp"
#include "tools/text.hpp"

using namespace dz;

namespace {

int run(const tool::Options& options) {
  if (options.help) return tool::print(tool::help(options.command)), 0;
  if (options.version) return tool::print(fmt::format("dz {}\n", DZ_VERSION)), 0;
  if (options.command == "train") return tool::run_train(options);
  if (options.command == "check") return tool::run_check(options);
  if (options.command == "predict") return tool::run_predict(options);
  return tool::run_draw(options);
}

/// Where one of the three standard files is closed, a file of dz's own would get its number, and what is printed would go into it.
void hold_standard_files() {
  while (true) {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);  // writing to it fails, as to a closed one
    if (fd < 0 || fd > STDERR_FILENO) return fd < 0 ? void() : void(close(fd));
  }
}

int refuse(std::string_view reason) {
  fmt::print(stderr, "dz: {}\n", tool::printable(reason));
  return 2;
}

}  // namespace

/// Exit status: 0; 1 where a check fails or a training diverges; 2 where the input is wrong; 128 + a signal's number.
int main(int count, char** words) try {
  hold_standard_files();
  std::signal(SIGPIPE, SIG_IGN);
  return run(tool::read_options({words, static_cast<std::size_t>(count)}));
} catch (const Error& e) {
  return refuse(e.reason());  // of operations and lines the user of the command has written none
} catch (const std::bad_alloc&) {
  return refuse("out of memory");
} catch (const std::exception& e) {
  return refuse(e.what());
}
