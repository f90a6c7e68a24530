// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../../lib/http/h2_memory.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

using weft::http::detail::h2_memory;

TEST_CASE("blocks of a session come back, aligned and of their size, and are kept up to a bound") {
    h2_memory memory;
    const nghttp2_mem m = memory.functions();
    std::vector<void*> all;
    for (std::size_t size = 0; size < 2000; ++size) {
        void* const p = m.malloc(size, m.mem_user_data);
        REQUIRE(p);
        CHECK(reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t) == 0);
        std::memset(p, 0xff, size);
        all.push_back(p);
    }
    CHECK(memory.kept() == 0);
    for (void* p : all) m.free(p, m.mem_user_data);
    m.free(nullptr, m.mem_user_data);
    CHECK(memory.kept() >= h2_memory::most_kept);
    CHECK(memory.kept() < h2_memory::most_kept + 640);
    memory.shrink();
    CHECK(memory.kept() == 0);
    // What comes again is what was given back, and calloc's is zero all the same.
    void* const first = m.malloc(100, m.mem_user_data);
    m.free(first, m.mem_user_data);
    auto* const again = static_cast<unsigned char*>(m.calloc(10, 10, m.mem_user_data));
    CHECK(again == first);
    for (int i = 0; i < 100; ++i) CHECK(again[i] == 0);
    m.free(again, m.mem_user_data);
    CHECK(m.calloc(SIZE_MAX / 2, 4, m.mem_user_data) == nullptr);
    memory.shrink();
    CHECK(memory.kept() == 0);
}

TEST_CASE("a block of a session that grows keeps what was in it") {
    h2_memory memory;
    const nghttp2_mem m = memory.functions();
    void* p = m.realloc(nullptr, 10, m.mem_user_data);
    std::strcpy(static_cast<char*>(p), "text");
    for (std::size_t size = 10; size < 100'000; size *= 3) {
        p = m.realloc(p, size, m.mem_user_data);
        REQUIRE(p);
        CHECK(std::string(static_cast<char*>(p)) == "text");
    }
    CHECK(m.realloc(p, 0, m.mem_user_data) == nullptr);
}
