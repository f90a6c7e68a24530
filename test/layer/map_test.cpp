// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/layer/add_extension.hpp>
#include <weft/layer/catch_failure.hpp>
#include <weft/layer/hijack.hpp>
#include <weft/layer/map_failure.hpp>
#include <weft/layer/map_request.hpp>
#include <weft/layer/map_response.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/error.hpp>
#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>

using namespace weft;
using namespace std::literals;

namespace {

const auto echo = [](std::string text) -> awaitable<std::string> { co_return text; };
const auto length = [](std::string text) -> awaitable<std::size_t> { co_return text.size(); };
const auto refuse = [](std::string text) -> awaitable<std::string> {
    throw failure(failure_kind::unavailable, "no " + text);
    co_return text;
};

template <class Body>
void in_test(Body body) {
    testing::run([&]() -> awaitable<void> { co_await body(); });
}

/// Calls a service in a child that is cancelled after a while; what came out of the call.
template <class App>
awaitable<std::optional<failure>> cancelled_call(const App& app) {
    std::optional<failure> seen;
    bool over = false;
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn([&]() -> awaitable<void> {
            std::exception_ptr thrown;
            try {
                co_await app.serve("x"s);
            } catch (...) {
                thrown = std::current_exception();
            }
            over = true;
            if (thrown) seen = failure::from(thrown);
        });
        co_await sleep_for(10ms);
    });
    CHECK(over);
    co_return seen;
}

struct message {
    std::string text;
    weft::extensions ext;
    const weft::extensions& extensions() const noexcept { return ext; }
};

}  // namespace

TEST_CASE("map_request edits the request, changes its type, and may wait") {
    in_test([]() -> awaitable<void> {
        auto loud = map_request([](std::string s) { return s + "!"; }) >> echo;
        CHECK(co_await loud.serve("hello"s) == "hello!");
        auto number =
            map_request([](int n) { return std::string(static_cast<std::size_t>(n), 'x'); }) >>
            length;
        CHECK(co_await number.serve(7) == 7u);
        auto waiting = map_request([](int n) -> awaitable<std::string> {
                           co_await sleep_for(1s);
                           co_return std::to_string(n);
                       }) >>
                       echo;
        CHECK(co_await waiting.serve(12) == "12");
    });
}

TEST_CASE("what map_request throws is the call's failure") {
    in_test([]() -> awaitable<void> {
        auto app = map_request([](int n) -> std::string {
                       if (n < 0) throw failure(failure_kind::invalid_input, "negative");
                       return std::to_string(n);
                   }) >>
                   echo;
        CHECK(co_await app.serve(1) == "1");
        std::optional<failure> seen;
        try {
            co_await app.serve(-1);
        } catch (const failure& f) {
            seen = f;
        }
        REQUIRE(seen);
        CHECK(seen->kind() == failure_kind::invalid_input);
    });
}

TEST_CASE("map_response edits the response, changes its type, and may wait") {
    in_test([]() -> awaitable<void> {
        auto loud = map_response([](std::string s) { return s + "!"; }) >> echo;
        CHECK(co_await loud.serve("hello"s) == "hello!");
        auto size = map_response([](std::string s) -> awaitable<std::size_t> {
                        co_await sleep_for(1s);
                        co_return s.size();
                    }) >>
                    echo;
        CHECK(co_await size.serve("hello"s) == 5u);
    });
}

TEST_CASE("map_response of a service without response is called when it has ended") {
    in_test([]() -> awaitable<void> {
        int ended = 0, done = 0;
        auto nothing = [&](std::string) -> awaitable<void> {
            co_await sleep_for(1s);
            ++done;
        };
        auto counted = map_response([&] { ended += done; }) >> nothing;
        co_await counted.serve("x"s);
        CHECK(ended == 1);
        auto number = map_response([] { return 7; }) >> nothing;
        CHECK(co_await number.serve("x"s) == 7);
    });
}

TEST_CASE("map_response does not see failures") {
    in_test([]() -> awaitable<void> {
        int seen = 0;
        auto app = map_response([&](std::string s) {
                       ++seen;
                       return s;
                   }) >>
                   refuse;
        auto r = co_await attempt(app.serve("x"s));
        CHECK_FALSE(r.has_value());
        CHECK(seen == 0);
    });
}

TEST_CASE("map_failure makes another failure out of anything that is thrown") {
    in_test([]() -> awaitable<void> {
        auto wrap = map_failure([](failure f) {
            return failure(failure_kind::rejected, "wrapped").because(std::move(f));
        });
        auto app = wrap >> refuse;
        auto r = co_await attempt(app.serve("bread"s));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().kind() == failure_kind::rejected);
        REQUIRE(r.error().cause());
        CHECK(r.error().cause()->message() == "no bread");

        auto foreign = wrap >> [](std::string) -> awaitable<std::string> {
            throw std::runtime_error("odd");
            co_return "";
        };
        auto other = co_await attempt(foreign.serve("x"s));
        REQUIRE_FALSE(other.has_value());
        CHECK(other.error().cause()->kind() == failure_kind::internal);
        auto well = wrap >> echo;
        CHECK(co_await well.serve("x"s) == "x");
    });
}

TEST_CASE("map_failure and catch_failure leave a cancellation alone") {
    in_test([]() -> awaitable<void> {
        auto slow = [](std::string s) -> awaitable<std::string> {
            co_await sleep_for(1h);
            co_return s;
        };
        auto mapped =
            map_failure([](failure) { return failure(failure_kind::internal, "mapped"); }) >> slow;
        auto seen = co_await cancelled_call(mapped);
        REQUIRE(seen);
        CHECK(seen->kind() == failure_kind::cancelled);

        auto caught = catch_failure([](const failure&) { return "caught"s; }) >> slow;
        seen = co_await cancelled_call(caught);
        REQUIRE(seen);
        CHECK(seen->kind() == failure_kind::cancelled);

        // A service that makes a failure of its own out of the cancellation.
        auto odd = [](std::string s) -> awaitable<std::string> {
            bool cut = false;
            try {
                co_await sleep_for(1h);
            } catch (...) {
                cut = true;
            }
            if (cut) throw failure(failure_kind::unavailable, "the connection is gone");
            co_return s;
        };
        auto odd_caught = catch_failure([](const failure&) { return "caught"s; }) >> odd;
        seen = co_await cancelled_call(odd_caught);
        REQUIRE(seen);
        CHECK(seen->kind() == failure_kind::unavailable);
    });
}

TEST_CASE("catch_failure answers, or lets it pass, in any of its forms") {
    in_test([]() -> awaitable<void> {
        auto always =
            catch_failure([](const failure& f) { return std::string(f.message()); }) >> refuse;
        CHECK(co_await always.serve("milk"s) == "no milk");

        auto sometimes = catch_failure([](const failure& f) -> std::optional<std::string> {
                             if (f.message() == "no milk") return "water";
                             return std::nullopt;
                         }) >>
                         refuse;
        CHECK(co_await sometimes.serve("milk"s) == "water");
        auto passed = co_await attempt(sometimes.serve("bread"s));
        REQUIRE_FALSE(passed.has_value());
        CHECK(passed.error().message() == "no bread");

        auto later = catch_failure([](failure f) -> awaitable<std::string> {
                         co_await sleep_for(1s);
                         co_return std::string(f.message()) + " today";
                     }) >>
                     refuse;
        CHECK(co_await later.serve("milk"s) == "no milk today");
        auto well = catch_failure([](const failure&) { return ""s; }) >> echo;
        CHECK(co_await well.serve("x"s) == "x");
    });
}

TEST_CASE("catch_failure of a service without response says whether it dealt with it") {
    in_test([]() -> awaitable<void> {
        auto broken = [](std::string) -> awaitable<void> {
            throw failure(failure_kind::timeout, "late");
            co_return;
        };
        int seen = 0;
        auto all = catch_failure([&](const failure&) { ++seen; }) >> broken;
        co_await all.serve("x"s);
        CHECK(seen == 1);
        auto none = catch_failure([](const failure&) { return false; }) >> broken;
        auto r = co_await attempt(none.serve("x"s));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().kind() == failure_kind::timeout);
        auto asynchronous = catch_failure([&](failure) -> awaitable<void> {
                                co_await sleep_for(1s);
                                ++seen;
                            }) >>
                            broken;
        co_await asynchronous.serve("x"s);
        CHECK(seen == 2);
    });
}

TEST_CASE("hijack sends what matches elsewhere, and nothing else") {
    in_test([]() -> awaitable<void> {
        auto other = [](std::string s) -> awaitable<std::string> { co_return "other " + s; };
        auto app = hijack([](const std::string& s) { return s.starts_with("a"); }, other) >> echo;
        CHECK(co_await app.serve("apple"s) == "other apple");
        CHECK(co_await app.serve("pear"s) == "pear");
        // A whole stack may be the other service.
        auto stack = hijack(match([](const std::string& s) { return s == "x"; }),
                            map_response([](std::string s) { return s + "?"; }) >> other) >>
                     echo;
        CHECK(co_await stack.serve("x"s) == "other x?");
    });
}

TEST_CASE("add_extension gives every request its copy") {
    in_test([]() -> awaitable<void> {
        auto name = [](message m) -> awaitable<std::string> {
            const auto* found = m.ext.get<std::string>();
            co_return found ? *found : "";
        };
        auto app = add_extension("shop"s) >> name;
        CHECK(co_await app.serve(message{}) == "shop");
        CHECK(co_await app.serve(message{}) == "shop");
        CHECK(co_await name(message{}) == "");
        auto nearer = add_extension("outer"s) >> add_extension("inner"s) >> name;
        CHECK(co_await nearer.serve(message{}) == "inner");
    });
}
