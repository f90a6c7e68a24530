// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/testing/splits.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace weft;

TEST_CASE("splits feeds an input whole, byte by byte, and at every cut") {
    std::multiset<std::string> seen;
    const std::size_t size = testing::splits("abc", [&](std::span<const std::string_view> pieces) {
        std::string shape;
        std::size_t n = 0;
        for (const std::string_view piece : pieces) {
            if (!shape.empty()) shape += '|';
            shape += piece;
            n += piece.size();
        }
        seen.insert(shape);
        return n;
    });
    CHECK(size == 3);
    CHECK(seen == std::multiset<std::string>{"abc", "a|b|c", "a|bc", "ab|c"});
}

TEST_CASE("splits fails a codec that loses its place at a cut, and names the cut") {
    const auto forgetful = [](std::span<const std::string_view> pieces) {
        bool found = false;
        for (const std::string_view piece : pieces) found = found || piece.find("cd") != piece.npos;
        return found;
    };
    try {
        (void)testing::splits("abcdef", forgetful);
        FAIL("no failure");
    } catch (const failure& e) {
        CHECK(e.kind() == failure_kind::internal);
        CHECK(e.context("cut") == "byte by byte");
    }
    // Whole bytes are found wherever the cut is.
    CHECK(testing::splits("abcdef", [](std::span<const std::string_view> pieces) {
        std::string all;
        for (const std::string_view piece : pieces) all += piece;
        return all.find("cd") != all.npos;
    }));
}

TEST_CASE("splits takes an empty input") {
    int calls = 0;
    (void)testing::splits("", [&](std::span<const std::string_view>) { return ++calls, 0; });
    CHECK(calls == 2);
}
