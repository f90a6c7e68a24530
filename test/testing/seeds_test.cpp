// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_world.hpp"
#include <weft/testing/seeds.hpp>

#include <cstdlib>
#include <set>
#include <stdexcept>
#include <vector>

using namespace network_world;

namespace {

/// Sets an environment variable for a while.
class variable {
  public:
    variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
    ~variable() { ::unsetenv(name_); }

  private:
    const char* name_;
};

}  // namespace

TEST_CASE("every seed is run once, and each is another run") {
    std::set<std::uint64_t> drawn;
    int runs = 0;
    testing::run_seeds(
        [&]() -> awaitable<void> {
            ++runs;
            drawn.insert(context_info::of(co_await asio::this_coro::executor).entropy().next());
        },
        {.count = 20});
    CHECK(runs == 20);
    CHECK(drawn.size() == 20);
}

TEST_CASE("a seed that fails is printed as the command that replays it") {
    std::string printed;
    std::uint64_t failing = 0;
    const auto unlucky = [&]() -> awaitable<void> {
        world w = co_await connected({.jitter = 100ms}, {});
        auto& time = context_info::of(co_await asio::this_coro::executor).clock();
        const auto begun = time.now();
        co_await w.client.write(bytes(std::string("ping")));
        std::array<char, 4> memory;
        const std::size_t n = co_await w.server.read(asio::buffer(memory));
        CHECK(n == 4);
        if (time.now() - begun > 90ms) throw std::runtime_error("too late");
    };
    const auto tell = [&](std::string_view text) {
        printed = text;
        failing = std::strtoull(printed.c_str() + 5, nullptr, 10);
    };
    CHECK_THROWS_WITH(testing::run_seeds(unlucky, {.count = 100, .print = tell}), "too late");
    CHECK(printed.find("replay: WEFT_SEED=" + std::to_string(failing) + " ") != std::string::npos);
    CHECK(printed.find("test_testing") != std::string::npos);

    // It does replay it, and nothing else.
    const std::string number = std::to_string(failing);
    const variable environment("WEFT_SEED", number.c_str());
    int runs = 0;
    const auto again = [&]() -> awaitable<void> {
        ++runs;
        co_await unlucky();
    };
    CHECK_THROWS_WITH(testing::run_seeds(again, {.count = 100, .print = tell}), "too late");
    CHECK(runs == 1);
}

TEST_CASE("the environment asks for more seeds, and checks that do not throw are asked for") {
    const variable environment("WEFT_SEEDS", "7");
    int runs = 0;
    std::string printed;
    const auto count = [&]() -> awaitable<void> {
        ++runs;
        co_return;
    };
    testing::run_seeds(count, {.count = 2});
    CHECK(runs == 7);
    testing::run_seeds(count, {.failed = [&] { return runs == 9; },
                               .print = [&](std::string_view t) { printed = t; }});
    CHECK(runs == 9);
    CHECK(printed.starts_with("seed 2 failed"));
}
