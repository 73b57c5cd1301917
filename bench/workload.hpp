#pragma once
// What every benchmark workload consists of, and the values that all programs under comparison share.

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <dz/dz.hpp>

namespace bench {

/// One training step; gives its loss.
using Step = std::function<dz::Tensor()>;

struct Workload {
  std::string name;
  std::function<Step()> make;
  double operations = 1;  ///< what a step's time is divided by
};

/// The workloads, one list for each file of this folder.
std::vector<Workload> dense(), elementwise(), gpt(), images(), tiny();

// ---- values: element i of a stream is the same in every program
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}
inline std::uint64_t bits(std::uint64_t stream, std::uint64_t i) { return mix(stream << 32 ^ i); }

/// scale·values in [-1, 1).
inline dz::Tensor values(std::uint64_t stream, const dz::Shape& shape, double scale = 1) {
  std::vector<float> v(static_cast<std::size_t>(shape.volume()));
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>(scale * (2.0 * static_cast<double>(bits(stream, i) >> 40) / (1 << 24) - 1.0));
  return dz::tensor(v, shape);
}

/// int64 labels (n) below `classes`.
inline dz::Tensor labels(std::uint64_t stream, std::int64_t n, std::uint64_t classes) {
  std::vector<std::int64_t> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<std::int64_t>(bits(stream, i) % classes);
  return dz::labels(v);
}

/// Gives each weight of two or more axes its stream, 100 and on in order of creation, over the root of its fan-in.
template <class M> void start(M& model) {
  std::uint64_t stream = 100;
  for (const auto& [name, p] : dz::parameters(model))
    if (p->role() == dz::Role::weight && p->rank() >= 2) {
      const double fan_in = static_cast<double>(p->size()) / static_cast<double>(p->size(0));
      p->assign(values(stream++, p->shape(), 1 / std::sqrt(fan_in)));
    }
}

}  // namespace bench
