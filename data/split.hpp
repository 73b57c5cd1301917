#pragma once
// A training, a development and a test part (the notes, part four, section one).

#include <array>
#include <string>
#include <vector>

#include <dz/data/dataset.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

struct SplitOptions {
  std::array<double, 3> ratio{6, 2, 2};  ///< of train, dev and test; one may be 0: the notes do without a test part where data are few
  bool shuffled = true;                  ///< before it is cut; otherwise samples keep their order
  bool stratified = false;               ///< every part has of every class what the ratio says, to within two samples
};

struct Split {
  Dataset train, dev, test;  ///< of 0 samples where the ratio has a 0
};

/// Deals all samples out; the sizes are the ratio's, rounded. Throws ValueError for a ratio that is negative, not finite or without a
/// training part, and where a part that the ratio gives something to would be empty.
Split split(const Dataset& set, const SplitOptions& options = {}, Generator& g = default_generator());

/// The share of every class among the samples.
std::vector<double> class_shares(const Dataset& set);

/// What should be known of the parts before they are trained and judged with, a sentence each: a part with samples of one class alone
/// (the notes, part two, section six: a network learns nothing from it, and is right on it by always saying the same); a class that nine in
/// ten samples of the training part or more are of; and dev and test parts (where there is only one of them: it and the training part) of
/// which more than a tenth of the samples would have to change class to make the shares equal.
std::vector<std::string> split_warnings(const Split& parts);

}  // namespace dz
