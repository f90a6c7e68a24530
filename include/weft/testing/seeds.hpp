// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/testing/run.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string_view>
#include <vector>

namespace weft::testing {

struct seeds_options {
    std::uint64_t first = 1;
    std::size_t count = 50;
    /// Ready work runs in an order drawn from the seed.
    bool shuffle = true;
    /// Of real time, for each run.
    std::chrono::milliseconds limit{30'000};
    /// For a framework whose checks do not throw: asked after each run whether it failed.
    std::function<bool()> failed = {};
    /// Where the command that replays a failure goes; stderr by default.
    std::function<void(std::string_view)> print = {};
};

namespace detail {
/// The seeds to run: all of the options', or what the environment says.
std::vector<std::uint64_t> seeds_to_run(const seeds_options& options);
void print_replay(const seeds_options& options, std::uint64_t seed);
}  // namespace detail

/// Runs a test once for each of many seeds: other jitter, other short counts, another order of what
/// is ready.
///
///     TEST_CASE("the cart survives a bad network") {
///         testing::run_seeds([]() -> awaitable<void> {
///             testing::network net(co_await asio::this_coro::executor);
///             net.set_default_link({.latency = 5ms, .jitter = 50ms, .max_read = 100});
///             ...
///         });
///     }
///
/// What a run throws comes out, after the command that runs this seed again was printed:
/// `WEFT_SEED=17 ./shop_test`. With WEFT_SEED in the environment only that seed is run, with
/// WEFT_SEEDS=1000 so many.
template <class F>
    requires is_awaitable<std::invoke_result_t<F&>>
void run_seeds(F f, const seeds_options& options = {},
               std::source_location where = std::source_location::current()) {
    for (const std::uint64_t seed : detail::seeds_to_run(options)) {
        try {
            testing::run(f, {.seed = seed, .shuffle = options.shuffle, .limit = options.limit},
                         where);
        } catch (...) {
            detail::print_replay(options, seed);
            throw;
        }
        if (options.failed && options.failed()) return detail::print_replay(options, seed);
    }
}

}  // namespace weft::testing
