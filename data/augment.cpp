#include <dz/data/augment.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace dz {
namespace {

void require_images(const Array& images, const char* operation) {
  if (images.rank() != 4)
    throw ShapeError(fmt::format("images are (m, height, width, channels), got {}", to_string(images.shape())), operation);
  if (images.dtype() != uint8) throw DtypeError(fmt::format("images are uint8, got {}", name(images.dtype())), operation);
}

/// Height, width and channels, and one picture's elements.
struct Size {
  std::int64_t rows, columns, channels;
  std::int64_t elements() const { return rows * columns * channels; }
};

/// Where the new picture's pixels come from in the old one: p ↦ A·p + b, and by what they are multiplied.
struct Change {
  double xx = 1, xy = 0, x0 = 0, yx = 0, yy = 1, y0 = 0, brightness = 1;

  bool is_nothing() const { return xx == 1 && xy == 0 && x0 == 0 && yx == 0 && yy == 1 && y0 == 0 && brightness == 1; }
};

Change draw(const Augmentation& a, const Size& size, Generator& g) {
  // Eight numbers from four blocks, whether needed or not: what is switched on later leaves the others as they were.
  const std::vector<double> u = kernels::uniform({8}, 0, 1, float64, g).to_vector<double>();
  const double centre_x = static_cast<double>(size.columns - 1) / 2, centre_y = static_cast<double>(size.rows - 1) / 2;
  const double mirror = u[0] < a.flip ? -1 : 1, angle = (2 * u[1] - 1) * a.rotate * std::numbers::pi / 180,
               zoom = a.crop + (1 - a.crop) * u[2], most = std::floor(a.shift);
  const auto whole_shift = [most](double unit) { return std::floor(unit * (2 * most + 1)) - most; };
  // About the centre: mirrored, turned, reduced to the window; the window then moves within the picture, and the picture by whole pixels.
  Change c;
  c.xx = mirror * zoom * std::cos(angle), c.xy = -zoom * std::sin(angle);
  c.yx = mirror * zoom * std::sin(angle), c.yy = zoom * std::cos(angle);
  const double to_x = centre_x + (2 * u[3] - 1) * (1 - zoom) * centre_x - whole_shift(u[4]),
               to_y = centre_y + (2 * u[5] - 1) * (1 - zoom) * centre_y - whole_shift(u[6]);
  c.x0 = to_x - c.xx * centre_x - c.xy * centre_y;
  c.y0 = to_y - c.yx * centre_x - c.yy * centre_y;
  c.brightness = 1 + (2 * u[7] - 1) * a.brightness;
  return c;
}

std::uint8_t to_byte(double v) { return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0, 255.0))); }

/// The two pixels beside a coordinate, and how near the second is.
struct Between {
  std::int64_t low, high;
  double part;
};
Between between(double at, std::int64_t n) {
  at = std::clamp(at, 0.0, static_cast<double>(n - 1));
  const auto low = static_cast<std::int64_t>(at);
  return {low, std::min(low + 1, n - 1), at - static_cast<double>(low)};
}

void apply(const Change& c, const Size& size, const std::uint8_t* from, std::uint8_t* to) {
  if (c.is_nothing()) {
    std::copy_n(from, size.elements(), to);
    return;
  }
  for (std::int64_t y = 0; y < size.rows; ++y)
    for (std::int64_t x = 0; x < size.columns; ++x) {
      const auto px = static_cast<double>(x), py = static_cast<double>(y);
      const Between column = between(c.xx * px + c.xy * py + c.x0, size.columns), row = between(c.yx * px + c.yy * py + c.y0, size.rows);
      const auto pixel = [&](std::int64_t r, std::int64_t k) { return from + (r * size.columns + k) * size.channels; };
      const std::uint8_t *a = pixel(row.low, column.low), *b = pixel(row.low, column.high), *d = pixel(row.high, column.low),
                         *e = pixel(row.high, column.high);
      for (std::int64_t k = 0; k < size.channels; ++k) {
        const double upper = std::lerp(static_cast<double>(a[k]), static_cast<double>(b[k]), column.part),
                     lower = std::lerp(static_cast<double>(d[k]), static_cast<double>(e[k]), column.part);
        *to++ = to_byte(c.brightness * std::lerp(upper, lower, row.part));
      }
    }
}

void check(const Augmentation& a) {
  const auto refuse_unless = [](bool right, const char* what, double value, const char* range) {
    if (!right) throw ValueError(fmt::format("{} is {}: it is {}", what, value, range), "augment");
  };
  refuse_unless(a.flip >= 0 && a.flip <= 1, "flip", a.flip, "from 0 to 1");
  refuse_unless(a.crop > 0 && a.crop <= 1, "crop", a.crop, "above 0 and at most 1");
  for (const auto& [value, what] : {std::pair(a.shift, "shift"), {a.rotate, "rotate"}, {a.brightness, "brightness"}})
    refuse_unless(value >= 0 && std::isfinite(value), what, value, "finite and at least 0");
}

/// How much of each old pixel is in a new one, along one axis: the first, and the parts from there on, of sum 1.
struct Cover {
  std::int64_t first;
  std::vector<double> parts;
};
std::vector<Cover> covers(std::int64_t from, std::int64_t to) {
  const double width = static_cast<double>(from) / static_cast<double>(to);
  std::vector<Cover> all;
  for (std::int64_t i = 0; i < to; ++i) {
    const double begin = static_cast<double>(i) * width, end = std::min(begin + width, static_cast<double>(from));
    Cover cover{std::min(static_cast<std::int64_t>(begin), from - 1), {}};
    for (std::int64_t k = cover.first; k < from && (k == cover.first || static_cast<double>(k) < end); ++k)
      cover.parts.push_back((std::min(end, static_cast<double>(k + 1)) - std::max(begin, static_cast<double>(k))) / width);
    all.push_back(std::move(cover));
  }
  return all;
}

}  // namespace

Array augment(const Array& images, const Augmentation& augmentation, Generator& g) {
  require_images(images, "augment");
  check(augmentation);
  const Array from = images.contiguous(), out = Array::make(images.shape(), uint8);
  const Size size{images.size(1), images.size(2), images.size(3)};
  if (images.size() == 0) return out;
  for (std::int64_t i = 0; i < images.size(0); ++i)
    apply(draw(augmentation, size, g), size, from.data<std::uint8_t>() + i * size.elements(), out.writable<std::uint8_t>() + i * size.elements());
  return out;
}

Array resize(const Array& images, std::int64_t rows, std::int64_t columns) {
  require_images(images, "resize");
  if (rows < 1 || columns < 1 || images.size(1) < 1 || images.size(2) < 1)
    throw ShapeError(fmt::format("no picture of {} by {} from one of {} by {}", rows, columns, images.size(1), images.size(2)), "resize");
  const Array from = images.contiguous(), out = Array::make({images.size(0), rows, columns, images.size(3)}, uint8);
  const std::vector<Cover> down = covers(images.size(1), rows), across = covers(images.size(2), columns);
  const std::int64_t width = images.size(2), channels = images.size(3);
  std::uint8_t* to = out.writable<std::uint8_t>();
  for (std::int64_t i = 0; i < images.size(0); ++i)
    for (const Cover& row : down)
      for (const Cover& column : across)
        for (std::int64_t c = 0; c < channels; ++c) {
          double sum = 0;
          for (std::size_t r = 0; r < row.parts.size(); ++r)
            for (std::size_t k = 0; k < column.parts.size(); ++k) {
              const std::int64_t y = row.first + static_cast<std::int64_t>(r), x = column.first + static_cast<std::int64_t>(k);
              sum += row.parts[r] * column.parts[k] * from.data<std::uint8_t>()[((i * images.size(1) + y) * width + x) * channels + c];
            }
          *to++ = to_byte(sum);
        }
  return out;
}

}  // namespace dz
