// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../http/h1_transcript.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http::h1::test {

/// Ends the program with a sentence: the fuzzer keeps the input.
[[noreturn]] inline void violated(std::string_view what, std::string_view a = {},
                                  std::string_view b = {}) {
    std::fprintf(stderr, "violated: %.*s\n  %.*s\n  %.*s\n", static_cast<int>(what.size()),
                 what.data(), static_cast<int>(a.size()), a.data(), static_cast<int>(b.size()),
                 b.data());
    std::abort();
}

/// Checks that `codec` gives the same for the whole input, for single bytes, and for two cuts that
/// the input itself chooses. Gives what it gives for the whole.
template <class Codec>
std::string same_at_cuts(std::string_view input, Codec codec) {
    const std::vector<std::string_view> whole{input};
    const std::string expected = codec(std::span<const std::string_view>(whole));
    std::vector<std::string_view> cut;
    if (input.size() <= 2048) {
        for (std::size_t i = 0; i < input.size(); ++i) cut.push_back(input.substr(i, 1));
        if (const std::string got = codec(cut); got != expected)
            violated("byte by byte gives something else", expected, got);
    }
    std::size_t seed = input.size();
    for (const char c : input) seed = seed * 31 + static_cast<unsigned char>(c);
    const std::size_t first = seed % (input.size() + 1);
    const std::size_t second = first + (seed >> 20) % (input.size() - first + 1);
    cut = {input.substr(0, first), input.substr(first, second - first), input.substr(second)};
    if (const std::string got = codec(cut); got != expected)
        violated("cut in three gives something else", expected, got);
    return expected;
}

inline constexpr limits tight{.start_line = 24,
                              .header_block = 80,
                              .fields = 3,
                              .empty_lines = 1,
                              .body = 20,
                              .chunk_extension = 6};

}  // namespace weft::http::h1::test
