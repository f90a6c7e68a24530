// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/any_service.hpp>
#include <weft/core/attempt.hpp>
#include <weft/core/customization.hpp>
#include <weft/core/layer.hpp>
#include <weft/core/per_core.hpp>
#include <weft/core/service.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

using namespace weft;

namespace {

/// Runs one coroutine to its end on a plain io_context: weft's core needs nothing of weft's
/// runtime.
template <class T>
T run_plain(awaitable<T> work) {
    boost::asio::io_context io;
    std::exception_ptr thrown;
    if constexpr (std::is_void_v<T>) {
        boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr e) { thrown = e; });
        io.run();
        if (thrown) std::rethrow_exception(thrown);
    } else {
        std::optional<T> value;
        auto keep = [&](awaitable<T> w) -> awaitable<void> {
            value.emplace(co_await std::move(w));
        };  // named: the coroutine reads its captures
        boost::asio::co_spawn(io, keep(std::move(work)), [&](std::exception_ptr e) { thrown = e; });
        io.run();
        if (thrown) std::rethrow_exception(thrown);
        return std::move(*value);
    }
}

struct shout {
    awaitable<std::string> serve(std::string text) const { co_return text + "!"; }
};

struct move_only {
    std::unique_ptr<int> value;
};

struct twice : pipeable {
    template <class Next>
    awaitable<std::string> serve(std::string text, const Next& next) const {
        std::string first = co_await next(text);
        std::string second = co_await next(text);
        co_return first + second;
    }
};

struct add_one : pipeable {
    template <class Next>
    auto serve(int n, const Next& next) const {
        return next(n + 1);
    }
};

struct pass : pipeable {
    template <class Next>
    awaitable<int> serve(move_only m, const Next& next) const {
        co_return co_await next(std::move(m));
    }
};

/// Req and Res both change on the way in and out.
struct parse_number : pipeable {
    template <class Next>
    awaitable<std::string> serve(std::string text, const Next& next) const {
        int n = co_await next.serve(std::stoi(text));
        co_return std::to_string(n);
    }
};

const auto square = [](int n) -> awaitable<int> { co_return n* n; };

}  // namespace

namespace elsewhere {
/// A user's layer in a user's namespace: `>>` is found through its base.
struct times_ten : weft::pipeable {
    template <class Next>
    auto serve(int n, const Next& next) const {
        return next(n * 10);
    }
};
}  // namespace elsewhere

TEST_CASE("a type with serve and a lambda are both services") {
    static_assert(service<shout, std::string>);
    static_assert(service<decltype(square), int>);
    static_assert(std::same_as<response_of<shout, std::string>, std::string>);
    static_assert(std::same_as<response_of<decltype(square), int>, int>);
    shout s;
    CHECK(run_plain(weft::serve(s, std::string("hi"))) == "hi!");
    CHECK(run_plain(weft::serve(square, 7)) == 49);
}

TEST_CASE("a reference parameter is refused in every form that can be named") {
    auto by_const_ref = [](const std::string&) -> awaitable<int> { co_return 1; };
    auto by_ref = [](std::string&) -> awaitable<int> { co_return 1; };
    auto by_rvalue = [](std::string&&) -> awaitable<int> { co_return 1; };
    auto generic_ref = [](const auto&) -> awaitable<int> { co_return 1; };
    auto generic_forward = [](auto&&) -> awaitable<int> { co_return 1; };
    auto generic_value = [](auto) -> awaitable<int> { co_return 1; };
    static_assert(!service<decltype(by_const_ref), std::string>);
    static_assert(!service<decltype(by_ref), std::string>);
    static_assert(!service<decltype(by_rvalue), std::string>);
    static_assert(!service<decltype(generic_ref), std::string>);
    static_assert(!service<decltype(generic_forward), std::string>);
    static_assert(service<decltype(generic_value), std::string>);

    struct member_ref {
        awaitable<int> serve(const std::string&) const { co_return 1; }
    };
    struct overloaded_ref {
        awaitable<int> serve(const move_only&) const { co_return 1; }
        awaitable<int> serve(int) const { co_return 2; }
    };
    struct overloaded_value {
        awaitable<int> serve(move_only) const { co_return 1; }
        awaitable<int> serve(int) const { co_return 2; }
    };
    static_assert(!service<member_ref, std::string>);
    static_assert(!service<overloaded_ref, move_only>);
    static_assert(service<overloaded_value, move_only>);
    using function_value = awaitable<int> (*)(std::string);
    using function_ref = awaitable<int> (*)(const std::string&);
    static_assert(service<function_value, std::string>);
    static_assert(!service<function_ref, std::string>);
}

TEST_CASE("a serve that is not const, or returns no awaitable, is no service") {
    struct not_const {
        awaitable<int> serve(int) { co_return 1; }
    };
    struct no_awaitable {
        std::string serve(int) const { return ""; }
    };
    auto mutable_lambda = [n = 0](int) mutable -> awaitable<int> { co_return ++n; };
    static_assert(!service<not_const, int>);
    static_assert(!service<no_awaitable, int>);
    static_assert(!service<decltype(mutable_lambda), int>);
    static_assert(!service<int, int>);
}

TEST_CASE("layers compose outermost first and re-associate to the right") {
    auto left = (add_one{} >> elsewhere::times_ten{}) >> square;
    auto right = add_one{} >> (elsewhere::times_ten{} >> square);
    static_assert(std::same_as<decltype(left), decltype(right)>);
    CHECK(run_plain(weft::serve(left, 2)) == 900);  // (2 + 1) * 10, squared
    auto chain = elsewhere::times_ten{} >> add_one{};
    auto app = chain >> square;
    CHECK(run_plain(weft::serve(app, 2)) == 441);  // 2 * 10 + 1, squared
    static_assert(layer_type<decltype(chain)>);
    static_assert(!layer_type<decltype(app)>);
}

TEST_CASE("a layer may call next twice and may change request and response") {
    CHECK(run_plain([]() -> awaitable<std::string> {
              auto app = twice{} >> shout{};
              co_return co_await app.serve("ab");
          }()) == "ab!ab!");
    auto app = parse_number{} >> add_one{} >> square;
    static_assert(std::same_as<response_of<decltype(app), std::string>, std::string>);
    CHECK(run_plain(weft::serve(app, std::string("4"))) == "25");
}

TEST_CASE("layer_fn makes a layer of a lambda and optional_layer is one branch") {
    auto plus = [](int by) {
        return layer_fn([by](int n, const auto& next) { return next(n + by); });
    };
    for (bool on : {true, false}) {
        auto app = optional_layer(on, plus(5)) >> plus(1) >> square;
        CHECK(run_plain(weft::serve(app, 0)) == (on ? 36 : 1));
    }
}

TEST_CASE("a general layer works with Res = void") {
    int seen = 0;
    auto sink = [&](int n) -> awaitable<void> {
        seen = n;
        co_return;
    };
    auto app = add_one{} >> sink;
    static_assert(std::same_as<response_of<decltype(app), int>, void>);
    run_plain(weft::serve(app, 41));
    CHECK(seen == 42);
}

TEST_CASE("move-only requests travel by value through layers and any_service") {
    auto read = [](move_only m) -> awaitable<int> { co_return *m.value; };
    any_service<move_only, int> app = pass{} >> pass{} >> read;
    auto copy = app;
    CHECK(run_plain(app.serve(move_only{std::make_unique<int>(5)})) == 5);
    CHECK(run_plain(copy.serve(move_only{std::make_unique<int>(6)})) == 6);
    CHECK(!any_service<move_only, int>());
}

TEST_CASE("one service is called by many coroutines at once") {
    boost::asio::io_context io;
    int sum = 0;
    any_service<int, int> app = add_one{} >> square;
    for (int i = 0; i < 100; ++i)
        boost::asio::co_spawn(
            io,
            [](const any_service<int, int>& a, int n) -> awaitable<int> {
                co_return co_await a.serve(n);
            }(app, i),
            [&](std::exception_ptr, int v) { sum += v; });
    io.run();
    CHECK(sum == 338350);
}

TEST_CASE("attempt turns what is thrown into a classified result") {
    auto reset = []() -> awaitable<int> {
        throw boost::system::system_error(boost::asio::error::connection_reset);
        co_return 1;
    };
    auto r = run_plain(attempt(reset()));
    REQUIRE(!r);
    CHECK(r.error().kind() == failure_kind::unavailable);
    CHECK(r.error().code() == boost::asio::error::connection_reset);
    CHECK_THROWS_AS(r.value(), failure);
    auto fine = []() -> awaitable<int> { co_return 3; };
    CHECK(run_plain(attempt(fine())).value() == 3);
    auto nothing = []() -> awaitable<void> { co_return; };
    CHECK(run_plain(attempt(nothing())).has_value());
}

TEST_CASE("replay copies what can be copied and says no to the rest") {
    struct streaming {
        bool begun = false;
        streaming() = default;
        streaming(streaming&&) = default;
        [[nodiscard]] std::optional<streaming> replay() const {
            if (begun) return std::nullopt;
            return streaming();
        }
    };
    CHECK(replay(std::string("x")) == "x");
    CHECK(!replay(move_only{}));
    streaming s;
    CHECK(replay(s).has_value());
    s.begun = true;
    CHECK(!replay(s).has_value());
    CHECK(extensions_of(s) == nullptr);
}

TEST_CASE("per_core calls its factory each time") {
    int made = 0;
    per_core each([&] { return ++made; });
    CHECK(each.make() == 1);
    CHECK(each.make() == 2);
    static_assert(is_per_core<decltype(each)>);
    static_assert(!is_per_core<int>);
}
