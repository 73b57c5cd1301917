#include "tools/progress.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/support.hpp"

using namespace dz::tool;

namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

/// An environment variable, set in its scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value, 1);
  }
  ~Variable() {
    if (before_) setenv(name_, before_->c_str(), 1);
    else unsetenv(name_);
  }
  Variable(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// A terminal of our own: what a program writes to it can be read here.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) : ours_(posix_openpt(O_RDWR | O_NOCTTY)) {
    REQUIRE(ours_ >= 0);
    REQUIRE((grantpt(ours_) == 0 && unlockpt(ours_) == 0));
    theirs_.reset(std::fopen(ptsname(ours_), "w"));
    REQUIRE(theirs_);
    resize(columns);
  }
  ~Terminal() { close(ours_); }
  Terminal(const Terminal&) = delete;

  std::FILE* file() const { return theirs_.get(); }
  void resize(unsigned short columns) const {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = 24;
    REQUIRE(ioctl(ours_, TIOCSWINSZ, &size) == 0);
  }
  /// What was written since the last call.
  std::string read() const {
    fcntl(ours_, F_SETFL, O_NONBLOCK);
    std::string out;
    char piece[4096];
    for (ssize_t got; (got = ::read(ours_, piece, sizeof piece)) > 0;) out.append(piece, static_cast<std::size_t>(got));
    return out;
  }

 private:
  int ours_;
  File theirs_;
};

/// What stands on the terminal's line after the last redrawing, without control sequences.
std::string last_line(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  text = text.substr(text.rfind('\r') == text.npos ? 0 : text.rfind('\r') + 1);
  return text.ends_with("\x1b[J") ? text.substr(0, text.size() - 3) : text;
}

std::size_t characters(const std::string& text) {
  std::size_t n = 0;
  for (const char c : text) n += (c & 0xc0) != 0x80;
  return n;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    REQUIRE(end != text.npos);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// A run without a terminal: an iteration takes this many seconds.
std::string plain_run(std::int64_t total, double seconds, ProgressOptions options = {}, std::int64_t stop = -1) {
  char* text = nullptr;
  std::size_t size = 0;
  {
    const File file(open_memstream(&text, &size));
    double now = 5000;
    options.now = [&now] { return now; };
    Progress progress(total, file.get(), options);
    for (std::int64_t i = options.start + 1; i <= (stop < 0 ? total : stop); ++i) {
      now += seconds;
      progress.show(i, 0.5137 + 0.1 / static_cast<double>(i));
    }
    progress.finish();
    progress.finish();  // the second time nothing
  }
  const std::string out(text, size);
  std::free(text);
  return out;
}

}  // namespace

TEST_CASE("without a terminal progress is a line at each tenth", "[tools]") {
  const auto lines = lines_of(plain_run(2500, 0.1));
  REQUIRE(lines.size() == 11);  // the first iteration, and ten tenths
  CHECK(lines[0] == "iteration 1 of 2500  cost 0.6137  4 min 10 s left");
  CHECK(lines[1] == "iteration 250 of 2500  cost 0.5141  3 min 45 s left");
  CHECK(lines[9] == "iteration 2250 of 2500  cost 0.513744  25 s left");
  CHECK(lines[10] == "iteration 2500 of 2500  cost 0.51374  4 min 10 s in all");
}

TEST_CASE("a quick run has few lines, and one that stops early its last state", "[tools]") {
  CHECK(lines_of(plain_run(2500, 0.0001)).size() == 2);
  CHECK(lines_of(plain_run(2500, 0.001)).size() == 4);  // at 0, 1, 2, 2.5 s
  CHECK(lines_of(plain_run(1, 1)) == std::vector<std::string>{"iteration 1 of 1  cost 0.6137  1.0 s in all"});
  const auto stopped = lines_of(plain_run(1000, 0.01, {}, 123));
  CHECK(stopped.back() == "iteration 123 of 1000  cost 0.514513  1.2 s in all");
  CHECK(plain_run(0, 1).empty());
  ProgressOptions resumed;
  resumed.start = 900;
  CHECK(lines_of(plain_run(1000, 1, resumed)).front() == "iteration 901 of 1000  cost 0.513811  1 min 39 s left");
}

TEST_CASE("TERM=dumb is no terminal", "[tools]") {
  const Terminal terminal(80);
  const Variable term("TERM", "dumb");
  Progress progress(10, terminal.file());
  progress.show(1, 0.5);
  const std::string out = terminal.read();
  CHECK(out.starts_with("iteration 1 of 10  cost 0.5"));
  CHECK(out.find('\x1b') == out.npos);
}

TEST_CASE("the dev part's cost stands beside the cost, and what is said above the bar", "[tools]") {
  const Variable utf8("LC_ALL", "C.UTF-8"), kind("TERM", "xterm");
  const Terminal terminal(100);
  double now = 0;
  ProgressOptions options;
  options.now = [&] { return now; };
  {
    Progress progress(10, terminal.file(), options);
    progress.say("before the first");
    CHECK(terminal.read() == "before the first\r\n");
    now = 1;
    progress.show(5, 0.25, 0.5);
    const std::string bar = last_line(terminal.read());
    CHECK(bar.find("cost 0.250000  dev 0.500000") != bar.npos);
    progress.say("a remark");
    const std::string said = terminal.read();
    CHECK(said.starts_with("\r\x1b[Ja remark\r\n"));
    CHECK(last_line(said) == bar);
  }
  CHECK(last_line(terminal.read()).find("in all") != std::string::npos);

  char* text = nullptr;
  std::size_t size = 0;
  {
    const File file(open_memstream(&text, &size));
    Progress progress(10, file.get(), options);
    progress.show(10, 0.25, 0.5);
    progress.say("a remark");
  }
  CHECK(std::string(text, size) == "iteration 10 of 10  cost 0.25  dev cost 0.5  0.0 s in all\na remark\n");
  std::free(text);
}

TEST_CASE("on a terminal one line is redrawn, ten times a second at most, within its width", "[tools]") {
  const Terminal terminal(100);
  const Variable term("TERM", "xterm"), locale("LC_ALL", "C.UTF-8");
  double now = 0;
  ProgressOptions options;
  options.now = [&now] { return now; };
  Progress progress(2500, terminal.file(), options);
  std::size_t frames = 0;
  for (int i = 1; i <= 1000; ++i) {
    now += 0.01;  // 10 s in all
    progress.show(i, 0.5);
    const std::string out = terminal.read();
    frames += !out.empty();
    CHECK(out.find('\n') == out.npos);
  }
  CHECK(frames <= 101);
  CHECK(frames >= 90);
  now += 1;
  progress.show(1250, 0.25);
  const std::string line = last_line(terminal.read());
  CHECK(line.starts_with("1250/2500 ▕███"));
  CHECK(line.ends_with("   50 %  cost 0.250000  114/s  11 s left"));

  for (const unsigned short columns : std::vector<unsigned short>{100, 80, 60, 40, 30, 20, 12, 10, 5, 2, 1}) {
    terminal.resize(columns);
    now += 1;
    progress.show(1251, 1e-5);
    const std::string drawn = last_line(terminal.read());
    INFO(columns << ": " << drawn);
    CHECK(characters(drawn) <= std::max<std::size_t>(2, columns) - 1);
    CHECK(!drawn.empty());
  }
  terminal.resize(80);
  progress.show(2500, std::numeric_limits<double>::quiet_NaN());
  progress.finish();
  const std::string end = terminal.read();
  CHECK(end.ends_with("\r\n"));  // the terminal turns \n into \r\n
  CHECK(last_line(end).find("2500/2500 ▕") == 0);
  CHECK(last_line(end).find("cost nan") != std::string::npos);
  CHECK(last_line(end).find(" in all") != std::string::npos);
}

TEST_CASE("a line that the terminal has wrapped when it became narrower is cleared as a whole", "[tools]") {
  const Terminal terminal(100);
  const Variable term("TERM", "xterm"), locale("LC_ALL", "C");
  double now = 0;
  ProgressOptions options;
  options.now = [&now] { return now; };
  Progress progress(100, terminal.file(), options);
  progress.show(1, 1);
  const std::size_t width = characters(last_line(terminal.read()));
  terminal.resize(40);
  now += 1;
  progress.show(2, 1);
  CHECK(terminal.read().starts_with(fmt::format("\x1b[{}A\r", (width - 1) / 40)));
  now += 1;
  progress.show(3, 1);
  CHECK(terminal.read().starts_with("\r"));
}

TEST_CASE("where the locale is not UTF-8 the bar is of plain characters", "[tools]") {
  const Terminal terminal(100);
  const Variable term("TERM", "xterm"), all("LC_ALL", ""), type("LC_CTYPE", "de_DE.ISO-8859-1"), lang("LANG", "en_US.UTF-8");
  Progress progress(10, terminal.file());
  progress.show(5, 1);
  const std::string line = last_line(terminal.read());
  CHECK(line.find("[####") != line.npos);
  for (const char c : line) CHECK(static_cast<unsigned char>(c) < 128);
}

TEST_CASE("a bar's part is drawn in eighths of a column", "[tools]") {
  const Variable term("TERM", "xterm"), locale("LC_ALL", "en_US.utf8");
  const Terminal terminal(100);
  double now = 0;
  ProgressOptions options;
  options.now = [&now] { return now; };
  std::string before;
  Progress progress(38 * 8, terminal.file(), options);
  for (int i = 0; i <= 38 * 8; ++i) {
    now += 1;
    progress.show(i, 1);
    const std::string line = last_line(terminal.read()), bar = line.substr(line.find("▕"), line.rfind("▏") - line.find("▕"));
    CHECK(characters(bar) == 39);
    CHECK(bar != before);
    before = bar;
  }
}

TEST_CASE("an exception leaves the terminal on a new line", "[tools]") {
  const Terminal terminal(80);
  const Variable term("TERM", "xterm");
  try {
    Progress progress(10, terminal.file());
    progress.show(3, 0.5);
    throw std::runtime_error("the training failed");
  } catch (const std::runtime_error&) {
  }
  CHECK(terminal.read().ends_with("\r\n"));
}

TEST_CASE("what cannot be written is dropped", "[tools]") {
  SECTION("to a full device") {
    const File full(std::fopen("/dev/full", "w"));
    REQUIRE(full);
    Progress progress(3, full.get());
    for (int i = 1; i <= 3; ++i) progress.show(i, 1);
    progress.finish();
  }
  SECTION("where the clock fails") {
    char* text = nullptr;
    std::size_t size = 0;
    {
      const File file(open_memstream(&text, &size));
      bool fails = false;
      ProgressOptions options;
      options.now = [&fails] { return fails ? throw std::runtime_error("no clock") : 0.0; };
      Progress progress(3, file.get(), options);
      fails = true;
      progress.show(1, 1);
    }
    std::free(text);
  }
  SECTION("to a pipe that nobody reads") {
    const pid_t child = fork();
    if (child == 0) {  // with the signal's own effect, which would end it
      signal(SIGPIPE, SIG_DFL);
      int ends[2];
      if (pipe(ends) != 0) _exit(2);
      close(ends[0]);
      std::FILE* out = fdopen(ends[1], "w");
      {
        Progress progress(3, out);
        for (int i = 1; i <= 3; ++i) progress.show(i, 1);
      }
      std::fclose(out);
      sigset_t pending;
      sigpending(&pending);
      _exit(sigismember(&pending, SIGPIPE) ? 3 : 0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}
