#pragma once
// The parts of a report's page. Each gives a piece of HTML, empty where there is nothing to show.

#include <string>
#include <string_view>
#include <vector>

#include "tools/report.hpp"

namespace dz::tool {

/// The page's style sheet.
std::string_view report_style();

/// The costs as a curve, over powers of ten where they span more than two; those of the dev part (iteration and cost) as another.
std::string cost_section(const std::vector<double>& costs, std::int64_t first_iteration,
                         const std::vector<std::pair<double, double>>& dev_costs = {});
/// Curves of one quantity in one drawing, from blue (the first) to orange (the last), over powers of ten where they span more than two.
std::string curves_section(std::string_view heading, std::string_view quantity, const std::vector<Curve>& curves);
/// Heat map, lines where two classes are equally likely, and samples. Throws ShapeError and DtypeError for arrays that are none such.
std::string boundary_section(const Boundary& boundary, const std::vector<std::string>& classes);
/// Two surfaces beside each other.
std::string descents_section(const Descents& descents);
/// At most 60 pictures with label, prediction and probability.
std::string misclassified_section(const Report& report);
/// The recorded graph, drawn or as text.
std::string graph_section(const std::string& dot);

/// What a class is called: its name, escaped, or "class 1".
std::string class_name(const std::vector<std::string>& classes, int label);

}  // namespace dz::tool
