#pragma once
// How far a training run has come: one line redrawn on a terminal, now and then a plain line elsewhere.

#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>

namespace dz::tool {

struct ProgressOptions {
  std::int64_t start = 0;            ///< iterations done before this run, of the total
  double seconds_between_lines = 1;  ///< where there is no terminal: at least, the first and the last line apart
  std::function<double()> now;       ///< seconds on a clock that never goes back; empty for the system's
};

/// Shows iterations, cost, the dev part's cost where there is one, speed and the time left. Terminal or not, width and encoding are found out; TERM=dumb is no terminal. What
/// cannot be written is dropped: nothing throws after the constructor, and a closed pipe ends nothing but the display.
class Progress {
 public:
  Progress(std::int64_t total, std::FILE* out, ProgressOptions options = {});
  /// Ends the line, so that what follows (an error's message, the shell) starts on its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of the total are done and the costs were these, the dev part's NaN where there is none. Made to be called at every iteration: redraws at most
  /// ten times a second.
  void show(std::int64_t done, double cost, double dev_cost = std::numeric_limits<double>::quiet_NaN()) noexcept;
  /// A line of its own, above the bar.
  void say(const std::string& text) noexcept;
  /// Leaves the last state standing, and ends the line.
  void finish() noexcept;

 private:
  void draw(double now);
  void line(double now);
  std::string to_line_start() const;
  bool line_is_due(double now) const;
  void write(const std::string& text);

  std::int64_t total_;
  std::FILE* out_;
  ProgressOptions options_;
  bool terminal_, utf8_, finished_ = false, broken_ = false;
  bool shown_ = false;             // the state below is on the screen
  bool any_ = false;               // show() was called
  std::int64_t done_, lined_ = 0;  // the last state; the last one that had a plain line
  double cost_ = 0, dev_cost_ = std::numeric_limits<double>::quiet_NaN(), began_, drawn_at_ = 0;
  int drawn_width_ = 0;  // columns that the line on the screen takes
};

}  // namespace dz::tool
