#include "tools/progress.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <utility>

namespace dz::tool {

namespace {

constexpr double seconds_between_frames = 0.1;

double system_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_terminal(std::FILE* out) {
  const int number = fileno(out);
  return number >= 0 && isatty(number) && environment("TERM") != "dumb";
}

/// As the environment says; the program itself stays in the C locale, for its numbers' sake.
bool is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (std::string locale(environment(name)); !locale.empty()) {
      for (char& c : locale) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
  return false;
}

int columns_of(std::FILE* out) {
  winsize size{};
  const bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

/// No SIGPIPE reaches this thread in its scope, nor after it one that was raised in it.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    waiting_ = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    sigset_t pending;
    sigpending(&pending);
    const timespec at_once{};
    if (!waiting_ && sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_, before_;
  bool waiting_;
};

/// "2.1 s", "4 min 05 s", "3 h 07 min".
std::string duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string speed(double per_second) {
  if (!(per_second > 0) || !std::isfinite(per_second)) return {};
  return per_second >= 99.5 ? fmt::format("{:.0f}/s", per_second)
         : per_second >= 1  ? fmt::format("{:.1f}/s", per_second)
                            : fmt::format("{:.2g} s each", 1 / per_second);
}

/// Exactly `width` columns, their filled part in eighths of a column where the terminal has the characters.
std::string bar(double fraction, int width, bool utf8) {
  std::string out;
  if (!utf8) {
    const auto filled = static_cast<std::size_t>(std::floor(fraction * (width - 2)));
    return "[" + std::string(filled, '#') + std::string(static_cast<std::size_t>(width - 2) - filled, ' ') + "]";
  }
  static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int filled = static_cast<int>(std::floor(fraction * (width - 2) * 8 + 1e-6)), part = filled % 8;
  out = "▕";
  for (int i = 0; i < filled / 8; ++i) out += "█";
  out += eighths[part];
  out.append(static_cast<std::size_t>(width - 2 - filled / 8 - (part > 0)), ' ');
  return out + "▏";
}

}  // namespace

Progress::Progress(std::int64_t total, std::FILE* out, ProgressOptions options)
    : total_(total), out_(out), options_(std::move(options)), terminal_(is_terminal(out)), utf8_(is_utf8()), done_(options_.start),
      lined_(options_.start) {
  if (!options_.now) options_.now = system_seconds;
  began_ = options_.now();
}

Progress::~Progress() { finish(); }

void Progress::show(std::int64_t done, double cost, double dev_cost) noexcept {
  if (finished_ || broken_) return;
  try {
    done_ = done;
    cost_ = std::isnan(cost) ? std::abs(cost) : cost;  // of no sign
    dev_cost_ = dev_cost;
    const bool first = !std::exchange(any_, true);
    const double now = options_.now();
    shown_ = false;
    if (terminal_ && (first || now - drawn_at_ >= seconds_between_frames)) draw(now);
    if (!terminal_ && (first || line_is_due(now))) line(now);
  } catch (...) {
    broken_ = true;
  }
}

void Progress::say(const std::string& text) noexcept {
  if (broken_) return;
  try {
    if (!terminal_) return write(text + "\n");
    const bool standing = drawn_width_ > 0 && !finished_;
    write((standing ? to_line_start() + "\x1b[J" : "") + text + "\n");
    drawn_width_ = 0;
    if (standing) draw(options_.now());
  } catch (...) {
    broken_ = true;
  }
}

void Progress::finish() noexcept {
  if (std::exchange(finished_, true) || broken_ || !any_) return;
  try {
    const double now = options_.now();
    if (terminal_) {
      draw(now);
      write("\n");
    } else if (!shown_) {
      line(now);
    }
  } catch (...) {
    broken_ = true;
  }
}

/// A tenth of the total was passed since the last line, and enough time.
bool Progress::line_is_due(double now) const {
  if (done_ >= total_) return lined_ < total_;
  const auto tenth = [this](std::int64_t done) { return total_ > 0 ? static_cast<double>(done) * 10 / static_cast<double>(total_) : 0; };
  return std::floor(tenth(done_)) > std::floor(tenth(lined_)) && now - drawn_at_ >= options_.seconds_between_lines;
}

namespace {

struct State {
  double seconds, per_second, left, fraction;
};

State state_of(std::int64_t start, std::int64_t done, std::int64_t total, double seconds) {
  const double per_second = seconds > 0 ? static_cast<double>(done - start) / seconds : 0;
  return {seconds, per_second, per_second > 0 ? static_cast<double>(total - done) / per_second : -1,
          total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0};
}

}  // namespace

void Progress::draw(double now) {
  const State s = state_of(options_.start, done_, total_, now - began_);
  const int screen = columns_of(out_), width = std::max(1, screen - 1);  // a full last column would wrap on some terminals

  const std::string total = std::to_string(total_);
  const std::string count = fmt::format("{:>{}}/{}", done_, total.size(), total),
                    percent = fmt::format("  {:3.0f} %", std::floor(s.fraction * 100));
  const std::string cost = fmt::format("  cost {:#.6g}", cost_), dev_cost = std::isnan(dev_cost_) ? "" : fmt::format("  dev {:#.6g}", dev_cost_), rate = speed(s.per_second).empty() ? "" : "  " + speed(s.per_second);
  const std::string time = finished_ ? fmt::format("  {} in all", duration(s.seconds)) : fmt::format("  {} left", duration(s.left));

  // What a narrow line goes without: first the speed, then the time, the dev part's cost, the cost, the percentage.
  constexpr int least_bar = 10, most_bar = 40;
  std::string after = percent;
  int left = width - static_cast<int>(count.size() + percent.size());
  const auto fits = [&](const std::string& part, int beside) { return static_cast<int>(part.size()) + beside <= left; };
  const bool has_cost = fits(cost, 0);
  if (has_cost) left -= static_cast<int>(cost.size());
  const bool has_dev_cost = has_cost && fits(dev_cost, 0);
  if (has_dev_cost) left -= static_cast<int>(dev_cost.size());
  const bool has_time = fits(time, least_bar + 1);
  if (has_time) left -= static_cast<int>(time.size());
  const bool has_rate = fits(rate, least_bar + 1);
  if (has_rate) left -= static_cast<int>(rate.size());
  if (has_cost) after += cost;
  if (has_dev_cost) after += dev_cost;
  if (has_rate) after += rate;
  if (has_time) after += time;
  const int bar_width = left > least_bar ? std::min(left - 1, most_bar) : 0;
  std::string text = count;
  if (bar_width > 0) text += " " + bar(s.fraction, bar_width, utf8_);
  if (left >= 0) text += after;
  const int columns =
      std::min(width, static_cast<int>(count.size() + (left >= 0 ? after.size() : 0)) + (bar_width > 0 ? bar_width + 1 : 0));
  if (left < 0) text.resize(static_cast<std::size_t>(columns));

  write(to_line_start() + text + "\x1b[J");
  drawn_width_ = columns;
  drawn_at_ = now;
  shown_ = true;
}

/// Where the terminal became narrower, it has wrapped the line that stands there.
std::string Progress::to_line_start() const {
  const int wrapped = drawn_width_ > 0 ? (drawn_width_ - 1) / std::max(1, columns_of(out_)) : 0;
  return (wrapped > 0 ? fmt::format("\x1b[{}A", wrapped) : "") + "\r";
}

void Progress::line(double now) {
  const State s = state_of(options_.start, done_, total_, now - began_);
  std::string text = fmt::format("iteration {} of {}  cost {:.6g}", done_, total_, cost_);
  if (!std::isnan(dev_cost_)) text += fmt::format("  dev cost {:.6g}", dev_cost_);
  if (done_ >= total_ || finished_) text += fmt::format("  {} in all", duration(s.seconds));
  else if (s.left >= 0) text += fmt::format("  {} left", duration(s.left));
  write(text + "\n");
  lined_ = done_;
  drawn_at_ = now;
  shown_ = true;
}

void Progress::write(const std::string& text) {
  const NoPipeSignal quiet;
  if (std::fwrite(text.data(), 1, text.size(), out_) != text.size() || std::fflush(out_) != 0) broken_ = true;
}

}  // namespace dz::tool
