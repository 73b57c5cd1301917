#pragma once
// A training run told as one page of HTML that needs nothing but a browser.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dz/tensor/array.hpp>

#include "tools/descents.hpp"

namespace dz::tool {

/// A name and what it is in this run: "test accuracy", "70 %".
struct Fact {
  std::string name, value;
};

/// Regions of so many classes are drawn.
inline constexpr int most_drawn_classes = 8;

/// What a model of two features says over a rectangle of the plane, and the samples there.
struct Boundary {
  Array points;       ///< (m, 2), any dtype
  Array labels;       ///< (m), classes from 0 on, any dtype
  Array probability;  ///< (rows, columns) of class 1, or (rows, columns, classes) of each, floating: row 0 at y = top, the last at bottom;
                      ///< column 0 at x = left, the last at right
  double left = 0, right = 0, bottom = 0, top = 0;
};

/// A misclassified sample.
struct Picture {
  Array pixels;            ///< uint8, as to_png takes them
  double probability = 0;  ///< of what was predicted
  int label = 0, predicted = 0;
  std::string caption;  ///< which one it is: "test 5"
};

/// Something over the iterations.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< iteration and value, rising iterations; what is not finite is left out
};

struct Report {
  std::string title;
  std::string command;               ///< the command line that repeats the run
  std::vector<Fact> facts;           ///< shown as large figures; those in per cent with "accuracy" in their name also as bars
  std::vector<Fact> options;         ///< shown as a table
  std::vector<double> costs;         ///< one per iteration; those that are not finite leave a gap
  std::int64_t first_iteration = 0;  ///< the iteration that costs[0] belongs to
  std::vector<std::pair<double, double>> dev_costs;  ///< iterations and costs of the dev part, rising; may be empty
  std::vector<Curve> gradient_norms;                 ///< of the weights, the first layer's first
  std::vector<Curve> learning_rate;                  ///< one, where it changes
  std::string confusion;                             ///< a table as plain text
  std::string judgement;                             ///< sentences and advice, a line each
  std::optional<Boundary> boundary;                  ///< for models of two features
  std::optional<Descents> descents;                  ///< where the features' scales differ
  std::vector<Picture> misclassified;                ///< the first 60 are shown
  std::int64_t misclassified_in_all = 0;
  std::string misclassified_of;      ///< the set they are from: "test"
  std::string model_summary;         ///< a table as plain text
  std::string dot;                   ///< the recorded graph in Graphviz's language
  std::vector<std::string> classes;  ///< what the classes are called, where that is known
};

/// The run as one HTML page in UTF-8 without scripts and without references to anything outside it. Parts that the report does not
/// hold are left out. All text is escaped; the graph is drawn where Graphviz is installed and shown as text elsewhere. Throws
/// ShapeError and DtypeError for arrays that are not as described above.
std::string to_html(const Report& report);

}  // namespace dz::tool
