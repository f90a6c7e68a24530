// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace test {

/// How often this thread called operator new. Always 0 under a sanitizer, which has its own.
std::size_t allocations() noexcept;
/// Whether they are counted.
bool counts_allocations() noexcept;

}  // namespace test
