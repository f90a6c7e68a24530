// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "replay.hpp"
#include <weft/testing/seeds.hpp>

#include <fmt/format.h>

#include <cstdio>

namespace weft::testing::detail {

std::vector<std::uint64_t> seeds_to_run(const seeds_options& options) {
    if (const auto one = number_from_environment("WEFT_SEED")) return {*one};
    const std::uint64_t count = number_from_environment("WEFT_SEEDS").value_or(options.count);
    std::vector<std::uint64_t> seeds;
    for (std::uint64_t i = 0; i < count; ++i) seeds.push_back(options.first + i);
    return seeds;
}

void print_replay(const seeds_options& options, std::uint64_t seed) {
    const std::string text = fmt::format("seed {} failed; replay: {}", seed,
                                         replay_command("WEFT_SEED", fmt::format("{}", seed)));
    if (options.print)
        options.print(text);
    else
        fmt::print(stderr, "weft: {}\n", text);
}

}  // namespace weft::testing::detail
