#pragma once
// Which operations are recorded while the tests run: each must have its row in the table of operations.

#include <string>
#include <vector>

namespace dz::test {

/// From here on, notes the name of every operation that is recorded, on any thread.
void note_recorded_operations();
/// The names noted so far that no row of the table records, sorted. Operations that a test defines itself (a name after `record(` or
/// `elementwise(` in tests/) are left out, unless the library has one of that name.
std::vector<std::string> recorded_without_row();

}  // namespace dz::test
