// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What tests of layers share: a request of no protocol, and services that take their time.

#include <weft/core/attempt.hpp>
#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace calls {

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

/// A request of no protocol, with extensions.
struct query {
    std::string text;
    weft::extensions ext;
    bool once = false;  ///< cannot be sent again

    query() = default;
    query(std::string t) : text(std::move(t)) {}  // NOLINT(google-explicit-constructor)
    query(const char* t) : text(t) {}             // NOLINT(google-explicit-constructor)

    const weft::extensions& extensions() const noexcept { return ext; }
    std::optional<query> replay() const {
        if (once) return std::nullopt;
        query copy(text);
        copy.ext = ext.fork();
        return copy;
    }
};

inline awaitable<weft::clock::time_point> time_now() {
    auto executor = co_await asio::this_coro::executor;
    co_return context_info::of(executor).clock().now();
}
/// Milliseconds since `start`.
inline awaitable<long long> since(weft::clock::time_point start) {
    const auto now = co_await time_now();
    co_return std::chrono::duration_cast<std::chrono::milliseconds>(now - start).count();
}

/// Runs `n` calls of `app` at once; what came of each.
template <class App>
awaitable<std::vector<result<std::string>>> at_once(const App& app, int n) {
    std::vector<std::optional<result<std::string>>> ends(static_cast<std::size_t>(n));
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (int i = 0; i < n; ++i)
            s.spawn([&, i]() -> awaitable<void> {
                query q("q" + std::to_string(i));
                auto end = co_await attempt(app.serve(std::move(q)));
                ends[static_cast<std::size_t>(i)].emplace(std::move(end));
            });
        while (s.size() > 0) co_await sleep_for(1ms);
    });
    std::vector<result<std::string>> all;
    for (auto& e : ends) all.push_back(std::move(*e));
    co_return all;
}

template <class Body>
void in_test(Body body, testing::run_options options = {}) {
    testing::run([&]() -> awaitable<void> { co_await body(); }, options);
}

inline std::size_t failures(const std::vector<result<std::string>>& all) {
    std::size_t n = 0;
    for (const auto& r : all) n += r ? 0 : 1;
    return n;
}

}  // namespace calls
