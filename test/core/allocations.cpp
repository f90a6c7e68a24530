// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "allocations.hpp"

#include "../sanitizers.hpp"

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t count = 0;
}

std::size_t test::allocations() noexcept { return count; }

#if TEST_UNDER_ASAN || TEST_UNDER_TSAN
bool test::counts_allocations() noexcept { return false; }
#else
bool test::counts_allocations() noexcept { return true; }

void* operator new(std::size_t size) {
    ++count;
    if (void* p = std::malloc(size ? size : 1)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif
