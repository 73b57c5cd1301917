#pragma once

#include <limits>

#include <dz/optim/gathered.hpp>

namespace dz {

/// Ends a training when the dev part's cost no longer falls, and gives the parameters back that it was lowest with (the notes, part four,
/// section four: one descent instead of many with other λ; but it fits less well and overfits less at once, two things that are better set
/// apart).
///
///   EarlyStopping stopping{.patience = 10};
///   for (…; !stopping.is_over(); …) { …; stopping.report(model, dev_cost); }
///   stopping.restore(model);
struct EarlyStopping {
  std::int64_t patience = 10;  ///< reports without a gain that are waited for
  double least_gain = 0;       ///< below the best so far, to count as one
  double best = std::numeric_limits<double>::infinity();
  std::int64_t reports = 0, best_report = -1;  ///< how many there were, and which was the best
  std::vector<Parameter> best_values{};        ///< the parameters then, buffers included

  /// Notes a cost, and the parameters where it is the lowest so far. A cost that is NaN is no gain.
  void report(const std::vector<NamedParameter>& parameters, double cost);
  template <Described M> void report(const M& model, double cost) { report(parameters(const_cast<M&>(model)), cost); }

  /// More than `patience` reports have brought no gain.
  bool is_over() const { return reports - 1 - best_report > patience; }

  /// Puts the best values back; nothing where no report was a gain. Throws ShapeError, DtypeError or ValueError where they are of another
  /// model; nothing is changed then.
  void restore(const std::vector<NamedParameter>& parameters, At at = At::here()) const;
  template <Described M> void restore(M& model, At at = At::here()) const { restore(parameters(model), at); }
};
BOOST_DESCRIBE_STRUCT(EarlyStopping, (), (patience, least_gain, best, reports, best_report, best_values))

}  // namespace dz
