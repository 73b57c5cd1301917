#include <dz/data/metrics.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace dz {
namespace {

double part(std::int64_t some, std::int64_t all) { return all == 0 ? 0 : static_cast<double>(some) / static_cast<double>(all); }

}  // namespace

std::vector<std::int64_t> predicted_classes(const Tensor& logits) {
  if (logits.rank() != 2 || logits.size(1) < 1)
    throw ShapeError(fmt::format("logits are (m, 1) or (m, n), got {}", to_string(logits.shape())), "predicted_classes");
  const std::vector<double> z = logits.to_vector();
  const auto m = static_cast<std::size_t>(logits.size(0)), n = static_cast<std::size_t>(logits.size(1));
  std::vector<std::int64_t> classes(m);
  for (std::size_t i = 0; i < m; ++i) {
    if (n == 1) classes[i] = z[i] > 0;
    else
      classes[i] = std::max_element(z.begin() + static_cast<std::ptrdiff_t>(i * n), z.begin() + static_cast<std::ptrdiff_t>((i + 1) * n)) -
                   z.begin() - static_cast<std::ptrdiff_t>(i * n);
  }
  return classes;
}

ConfusionMatrix::ConfusionMatrix(std::span<const std::int64_t> labels, std::span<const std::int64_t> predictions, std::int64_t classes)
    : classes_(classes) {
  if (labels.size() != predictions.size())
    throw ShapeError(fmt::format("{} labels and {} predictions", labels.size(), predictions.size()), "ConfusionMatrix");
  if (classes < 1 || classes > 1'000'000) throw ValueError(fmt::format("{} classes", classes), "ConfusionMatrix");
  counts_.resize(static_cast<std::size_t>(classes * classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (const std::int64_t c : {labels[i], predictions[i]})
      if (c < 0 || c >= classes)
        throw ValueError(fmt::format("sample {} is said to be of class {}, of {}", i, c, classes), "ConfusionMatrix");
    ++counts_[static_cast<std::size_t>(labels[i] * classes + predictions[i])];
  }
}

std::int64_t ConfusionMatrix::total() const { return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0}); }
std::int64_t ConfusionMatrix::of_label(std::int64_t c) const {
  std::int64_t n = 0;
  for (std::int64_t k = 0; k < classes_; ++k) n += at(c, k);
  return n;
}
std::int64_t ConfusionMatrix::of_prediction(std::int64_t c) const {
  std::int64_t n = 0;
  for (std::int64_t k = 0; k < classes_; ++k) n += at(k, c);
  return n;
}

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (std::int64_t c = 0; c < classes_; ++c) right += at(c, c);
  return part(right, total());
}
double ConfusionMatrix::precision(std::int64_t c) const { return part(at(c, c), of_prediction(c)); }
double ConfusionMatrix::recall(std::int64_t c) const { return part(at(c, c), of_label(c)); }
double ConfusionMatrix::f1(std::int64_t c) const { return part(2 * at(c, c), of_label(c) + of_prediction(c)); }
double ConfusionMatrix::mean_f1() const {
  double sum = 0;
  for (std::int64_t c = 0; c < classes_; ++c) sum += f1(c);
  return sum / static_cast<double>(classes_);
}

std::string to_string(const ConfusionMatrix& m, const std::vector<std::string>& names) {
  const auto name = [&](std::int64_t c) {
    return static_cast<std::size_t>(c) < names.size() ? fmt::format("{:.12}", names[static_cast<std::size_t>(c)]) : fmt::format("{}", c);
  };
  std::string text = fmt::format("{:>12}", "is \\ said");
  for (std::int64_t c = 0; c < m.classes(); ++c) text += fmt::format(" {:>7.7}", name(c));
  text += fmt::format("  {:>9} {:>7} {:>7}\n", "precision", "recall", "F1");
  for (std::int64_t label = 0; label < m.classes(); ++label) {
    text += fmt::format("{:>12}", name(label));
    for (std::int64_t c = 0; c < m.classes(); ++c) text += fmt::format(" {:>7}", m.at(label, c));
    text += fmt::format("  {:>9.4f} {:>7.4f} {:>7.4f}\n", m.precision(label), m.recall(label), m.f1(label));
  }
  return text;
}

}  // namespace dz
