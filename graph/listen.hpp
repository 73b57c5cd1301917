#pragma once
// For tests: what is recorded, as it is recorded.

namespace dz::detail {

/// From here on `hear` is told the name of every operation that is recorded, on any thread; a null pointer stops it.
void listen_to_recording(void (*hear)(const char* name));

}  // namespace dz::detail
