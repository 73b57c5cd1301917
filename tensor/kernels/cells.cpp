#include <dz/tensor/kernels/cells.hpp>

#include <algorithm>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels::detail {
namespace {

std::int64_t cells_of_group(const Images& m, Pairs pairs, std::int64_t unit) {
  const std::int64_t channels = m.channels / m.groups;
  return rounded_up(pairs == Pairs::channels ? (channels + 1) / 2 : channels, unit);
}

bool lies_as_wanted(const Images& m, Pairs pairs, const Margin& margin, std::int64_t point) {
  return pairs == Pairs::none && margin.before == Pair(0) && margin.after == Pair(0) && point == m.channels;
}

}  // namespace

CellImages::CellImages(const Images& m, Pairs pairs, const Margin& margin, std::int64_t unit)
    : samples_(pairs == Pairs::samples ? (m.samples + 1) / 2 : m.samples),
      group_(cells_of_group(m, pairs, unit)),
      point_(group_ * m.groups),
      row_(point_ * (margin.before.columns + m.size.columns + margin.after.columns)),
      sample_(row_ * (margin.before.rows + m.size.rows + margin.after.rows)),
      room_(lies_as_wanted(m, pairs, margin, point_) ? 0 : static_cast<std::size_t>(samples_ * sample_) * sizeof(Cell)),
      data_(reinterpret_cast<const Cell*>(m.data)) {
  if (!room_.piece()) return;
  Cell* const to = static_cast<Cell*>(room_.piece());
  const std::int64_t rows = sample_ / row_;
  parallel_for(samples_ * rows, std::max<std::int64_t>(1, elementwise_grain / row_), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) lay_row(to + k * row_, m, pairs, margin, k / rows, k % rows - margin.before.rows);
  });
  data_ = to;
}

void CellImages::lay_row(Cell* to, const Images& m, Pairs pairs, const Margin& margin, std::int64_t sample, std::int64_t row) const {
  if (row < 0 || row >= m.size.rows) {
    std::fill_n(to, row_, 0);
    return;
  }
  const std::int64_t before = margin.before.columns * point_, after = margin.after.columns * point_, n = m.size.columns * m.channels, step = m.size.rows * n;
  std::fill_n(to, before, 0);
  std::fill_n(to + row_ - after, after, 0);
  const float* const from = m.data + (pairs == Pairs::samples ? 2 : 1) * sample * step + row * n;
  const float* const other = pairs == Pairs::samples && 2 * sample + 1 < m.samples ? from + step : nullptr;
  const bool whole = point_ * (pairs == Pairs::channels ? 2 : 1) == m.channels;  // no zeros between
  if (!whole) lay_channels(to + before, m, pairs, from, other);
  else if (pairs == Pairs::none) std::memcpy(to + before, from, static_cast<std::size_t>(n) * sizeof(Cell));
  else if (pairs == Pairs::channels) round_to_bfloat16(reinterpret_cast<std::uint16_t*>(to + before), from, n);
  else round_pairs(to + before, 1, from, other, 1, n);
}

void CellImages::lay_channels(Cell* to, const Images& m, Pairs pairs, const float* from, const float* other) const {
  const std::int64_t channels = m.channels / m.groups;
  for (std::int64_t k = 0; k < point_; ++k, ++to) {
    const std::int64_t channel = k % group_ * (pairs == Pairs::channels ? 2 : 1), at = k / group_ * channels + channel;
    const float* const neighbour = pairs == Pairs::channels ? (channel + 1 < channels ? from + at + 1 : nullptr) : other ? other + at : nullptr;
    if (channel >= channels)
      for (std::int64_t j = 0; j < m.size.columns; ++j) to[j * point_] = 0;
    else if (pairs == Pairs::none)
      for (std::int64_t j = 0; j < m.size.columns; ++j) std::memcpy(to + j * point_, from + at + j * m.channels, sizeof(Cell));
    else round_pairs(to, point_, from + at, neighbour, m.channels, m.size.columns);
  }
}

}  // namespace dz::kernels::detail
