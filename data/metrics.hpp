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

/// How often a sample of one class was predicted as another: row = label, column = prediction. It takes memory for the classes and the
/// samples, not for the square of the classes.
class ConfusionMatrix {
 public:
  /// Throws ShapeError for unequal numbers of labels and predictions, ValueError for one outside [0, classes) and for more than a million
  /// classes.
  ConfusionMatrix(std::span<const std::int64_t> labels, std::span<const std::int64_t> predictions, std::int64_t classes);

  std::int64_t classes() const { return classes_; }
  std::int64_t at(std::int64_t label, std::int64_t prediction) const;
  std::int64_t total() const { return total_; }
  /// The samples that are of class c, and those that were predicted as it.
  std::int64_t of_label(std::int64_t c) const { return of_label_[static_cast<std::size_t>(c)]; }
  std::int64_t of_prediction(std::int64_t c) const { return of_prediction_[static_cast<std::size_t>(c)]; }

  /// A label taken for another one, and how often.
  struct Mistake {
    std::int64_t label, prediction, count;
  };
  /// Those that were made, the most frequent first; of equals, in the order of the labels.
  std::vector<Mistake> mistakes() const;

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
  std::int64_t classes_, total_;
  std::vector<std::int64_t> of_label_, of_prediction_;
  std::vector<Mistake> counts_;  // what is not 0, right ones too, sorted by label and prediction
};

/// A table of the counts with precision, recall and F1 of each class; beyond 20 classes, the most frequent mistakes and the mean F1.
/// `names` may be empty.
std::string to_string(const ConfusionMatrix& matrix, const std::vector<std::string>& names = {});

}  // namespace dz
