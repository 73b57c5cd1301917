#pragma once
// Data sets made from nothing: points in the plane and small pictures, of two classes as equally many as can be, in random order. Equal
// generators give equal data; float32 data are float64's, rounded.

#include <cstdint>
#include <string_view>
#include <vector>

#include <dz/data/dataset.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

/// m points (m, 2) of two classes. Each throws ShapeError for m < 2 and DtypeError for a dtype that is not floating.
///
/// The petals of a flower: radius 4·sin(4·angle) + 0.2·normal, the angle up to 0.2·normal beside its place; each class has one half of
/// the circle. No straight line parts them.
Dataset flower(std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);
/// A ring of radius 2 around one of radius 1.
Dataset circles(std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);
/// Two half rings that reach into each other.
Dataset moons(std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);
/// Two round clouds that a straight line parts but for a few points.
Dataset blobs(std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);
/// Two spirals wound into each other.
Dataset spirals(std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);
/// Two clouds that reach into each other, the second feature ten times as large as the first: what inputs are normalised for.
Dataset stretched(std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);

/// The planar set of that name; throws ValueError that lists them, and as they do.
Dataset planar(std::string_view name, std::int64_t m, Generator& g = default_generator(), Dtype dtype = float32);
/// All names.
std::vector<std::string_view> planar_names();

/// m small colour pictures (m, height, width, 3): discs (0) and crosses (1) of random place, size and colours on a random ground, with
/// noise. Their mean colours tell nothing of the class. Throws ShapeError for m < 2 or a side below 8.
Dataset synthetic_images(std::int64_t m, std::int64_t height, std::int64_t width, Generator& g = default_generator(),
                         Dtype dtype = float32);

}  // namespace dz
