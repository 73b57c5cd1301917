// Images laid out in cells: every element in its cell, zeros around them and beside what has no neighbour.

#include <cmath>
#include <cstring>

#include <dz/tensor/kernels/cells.hpp>
#include <dz/tensor/kernels/map.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::kernels::detail;

namespace {

struct Given {
  std::vector<float> values;
  Images images;

  Given(std::int64_t samples, Pair size, std::int64_t channels, std::int64_t groups)
      : values(static_cast<std::size_t>(samples * size.rows * size.columns * channels)), images{values.data(), samples, size, channels, groups} {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(std::sin(static_cast<double>(i) + 1));
  }
  /// 0 where there is none.
  float at(std::int64_t sample, std::int64_t i, std::int64_t j, std::int64_t group, std::int64_t channel) const {
    const std::int64_t own = images.channels / images.groups;
    if (sample >= images.samples || i < 0 || i >= images.size.rows || j < 0 || j >= images.size.columns || channel >= own) return 0;
    return values[static_cast<std::size_t>(((sample * images.size.rows + i) * images.size.columns + j) * images.channels + group * own + channel)];
  }
};

Cell bits(float x) {
  Cell c;
  std::memcpy(&c, &x, sizeof c);
  return c;
}
Cell pair_of(float first, float second) {
  const auto nearest = [](float x) { return (bits(x) + 0x7fff + (bits(x) >> 16 & 1)) >> 16; };
  return nearest(first) | nearest(second) << 16;
}

void check_cells(const Given& g, Pairs pairs, const Margin& margin, std::int64_t unit) {
  const Images& m = g.images;
  INFO(m.samples << " samples of " << m.size.rows << "x" << m.size.columns << ", " << m.channels << " channels in " << m.groups << " groups, pairs " << static_cast<int>(pairs) << ", margin "
                 << margin.before.rows << ", " << margin.before.columns << ", " << margin.after.rows << ", " << margin.after.columns << ", units of " << unit);
  const CellImages cells(m, pairs, margin, unit);
  CHECK(cells.group() % unit == 0);
  CHECK(cells.point() == cells.group() * m.groups);
  CHECK(cells.samples() == (pairs == Pairs::samples ? (m.samples + 1) / 2 : m.samples));
  std::int64_t wrong = 0;
  const Cell* at = cells.data();
  for (std::int64_t s = 0; s < cells.samples(); ++s)
    for (std::int64_t i = -margin.before.rows; i < m.size.rows + margin.after.rows; ++i)
      for (std::int64_t j = -margin.before.columns; j < m.size.columns + margin.after.columns; ++j)
        for (std::int64_t k = 0; k < m.groups; ++k)
          for (std::int64_t c = 0; c < cells.group(); ++c, ++at) {
            if (pairs == Pairs::none) wrong += *at != bits(g.at(s, i, j, k, c));
            else if (pairs == Pairs::channels) wrong += *at != pair_of(g.at(s, i, j, k, 2 * c), g.at(s, i, j, k, 2 * c + 1));
            else wrong += *at != pair_of(g.at(2 * s, i, j, k, c), g.at(2 * s + 1, i, j, k, c));
          }
  CHECK(wrong == 0);
  CHECK(at == cells.data() + cells.samples() * cells.sample());
}

}  // namespace

TEST_CASE("images are laid out in cells element by element, and zeros around them", "[tensor]") {
  if (active_isa() != Isa::avx512) DZ_SKIP("this processor has no AVX-512");
  const bool rounds = unsupported(bfloat16).empty();
  for (const std::int64_t samples : {1, 2, 3})
    for (const auto& [channels, groups] : {std::pair{1, 1}, {2, 1}, {3, 1}, {32, 1}, {35, 1}, {6, 2}, {6, 3}})
      for (const Margin& margin : {Margin{}, Margin{1, 1}, Margin{{0, 2}, {3, 0}}})
        for (const std::int64_t unit : {1, 16}) {
          const Given g(samples, {3, 5}, channels, groups);
          check_cells(g, Pairs::none, margin, unit);
          if (!rounds) continue;
          check_cells(g, Pairs::channels, margin, unit);
          check_cells(g, Pairs::samples, margin, unit);
        }
}
