#include <dz/data/metrics.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

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
    : classes_(classes), total_(std::ssize(labels)) {
  if (labels.size() != predictions.size())
    throw ShapeError(fmt::format("{} labels and {} predictions", labels.size(), predictions.size()), "ConfusionMatrix");
  if (classes < 1 || classes > 1'000'000) throw ValueError(fmt::format("{} classes", classes), "ConfusionMatrix");
  of_label_.resize(static_cast<std::size_t>(classes)), of_prediction_.resize(static_cast<std::size_t>(classes));
  std::vector<std::int64_t> pairs;
  pairs.reserve(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (const std::int64_t c : {labels[i], predictions[i]})
      if (c < 0 || c >= classes)
        throw ValueError(fmt::format("sample {} is said to be of class {}, of {}", i, c, classes), "ConfusionMatrix");
    ++of_label_[static_cast<std::size_t>(labels[i])], ++of_prediction_[static_cast<std::size_t>(predictions[i])];
    pairs.push_back(labels[i] * classes + predictions[i]);
  }
  std::ranges::sort(pairs);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i == 0 || pairs[i] != pairs[i - 1]) counts_.push_back({pairs[i] / classes, pairs[i] % classes, 0});
    ++counts_.back().count;
  }
}

std::int64_t ConfusionMatrix::at(std::int64_t label, std::int64_t prediction) const {
  const auto place = [](const Mistake& m) { return std::pair(m.label, m.prediction); };
  const auto found = std::ranges::lower_bound(counts_, std::pair(label, prediction), {}, place);
  return found != counts_.end() && place(*found) == std::pair(label, prediction) ? found->count : 0;
}

std::vector<ConfusionMatrix::Mistake> ConfusionMatrix::mistakes() const {
  std::vector<Mistake> all;
  std::ranges::copy_if(counts_, std::back_inserter(all), [](const Mistake& m) { return m.label != m.prediction; });
  std::ranges::stable_sort(all, std::greater{}, &Mistake::count);
  return all;
}

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (const Mistake& m : counts_) right += m.label == m.prediction ? m.count : 0;
  return part(right, total_);
}
double ConfusionMatrix::precision(std::int64_t c) const { return part(at(c, c), of_prediction(c)); }
double ConfusionMatrix::recall(std::int64_t c) const { return part(at(c, c), of_label(c)); }
double ConfusionMatrix::f1(std::int64_t c) const { return part(2 * at(c, c), of_label(c) + of_prediction(c)); }
double ConfusionMatrix::mean_f1() const {
  double sum = 0;
  for (std::int64_t c = 0; c < classes_; ++c) sum += f1(c);
  return sum / static_cast<double>(classes_);
}

namespace {

/// Beyond so many classes a table is too wide to read.
constexpr std::int64_t most_classes = 20;
constexpr std::size_t most_mistakes = 20;

template <class Name> std::string listed_mistakes(const ConfusionMatrix& m, Name name) {
  const std::vector<ConfusionMatrix::Mistake> all = m.mistakes();
  std::string text = fmt::format("{} classes, mean F1 {:.4f}", m.classes(), m.mean_f1());
  if (all.empty()) return text + ", no mistakes\n";
  text += fmt::format("; the most frequent mistakes, {} of {}:\n{:>12} {:>12} {:>7} {:>9}\n", std::min(all.size(), most_mistakes),
                      all.size(), "is", "said", "times", "of");
  for (const auto& [label, prediction, count] : std::span(all).first(std::min(all.size(), most_mistakes)))
    text += fmt::format("{:>12} {:>12} {:>7} {:>9}\n", name(label), name(prediction), count, m.of_label(label));
  return text;
}

}  // namespace

std::string to_string(const ConfusionMatrix& m, const std::vector<std::string>& names) {
  const auto name = [&](std::int64_t c) {
    return static_cast<std::size_t>(c) < names.size() ? fmt::format("{:.12}", names[static_cast<std::size_t>(c)]) : fmt::format("{}", c);
  };
  if (m.classes() > most_classes) return listed_mistakes(m, name);
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
