#pragma once
// How right predictions are.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <dz/graph/tensor.hpp>

namespace dz {

/// The class that logits speak for: of (m, 1), 1 where the logit is above 0; of (m, n), the largest, the first of equals. Throws ShapeError
/// for other shapes.
std::vector<std::int64_t> predicted_classes(const Tensor& logits);

/// How often a sample of one class was predicted as another: row = label, column = prediction.
class ConfusionMatrix {
 public:
  /// Throws ShapeError for unequal numbers of labels and predictions, ValueError for one outside [0, classes).
  ConfusionMatrix(std::span<const std::int64_t> labels, std::span<const std::int64_t> predictions, std::int64_t classes);

  std::int64_t classes() const { return classes_; }
  std::int64_t at(std::int64_t label, std::int64_t prediction) const {
    return counts_[static_cast<std::size_t>(label * classes_ + prediction)];
  }
  std::int64_t total() const;

  // Each of these is 0 where there is nothing to divide by.
  /// The part of all samples that is right.
  double accuracy() const;
  /// Of those predicted as c, the part that is c.
  double precision(std::int64_t c) const;
  /// Of those that are c, the part predicted so.
  double recall(std::int64_t c) const;
  /// 2·precision·recall/(precision + recall).
  double f1(std::int64_t c) const;
  /// The mean of f1 over the classes, each counting alike however rare.
  double mean_f1() const;

 private:
  std::int64_t of_label(std::int64_t c) const;
  std::int64_t of_prediction(std::int64_t c) const;

  std::int64_t classes_;
  std::vector<std::int64_t> counts_;
};

/// A table of the counts with precision, recall and F1 of each class; `names` may be empty.
std::string to_string(const ConfusionMatrix& matrix, const std::vector<std::string>& names = {});

}  // namespace dz
