// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The traps of docs/hazards.md, each as it goes wrong and as it is right.
//
//     hazards                 runs what is right
//     hazards wrong NAME      runs into the trap: AddressSanitizer stops it, or it exits with 1
//     hazards names           the names of the traps
//
// hazards.py lets a build with AddressSanitizer run into each. The strings are long, so that they
// lie on the heap and are seen to be gone.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/thread_pool.hpp>
#include <fmt/core.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

using namespace weft;
using namespace std::literals;

namespace {

std::string long_text(char c = 'x') { return std::string(100, c); }

/// Reads every byte; volatile, so that it is not left out when nobody wants the sum.
std::size_t use(std::string_view text) {
    volatile std::size_t sum = 0;
    for (const char c : text) sum = sum + static_cast<unsigned char>(c);
    return sum;
}

void expect(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

namespace reference_parameter {

awaitable<std::size_t> by_reference(const std::string& text) {
    co_await sleep_for(1s);
    co_return use(text);
}
awaitable<std::size_t> by_value(std::string text) {
    co_await sleep_for(1s);
    co_return use(text);
}

/// The caller is done when the awaitable is handed over; so is what it refers to.
template <class F>
awaitable<std::size_t> hand_over(F f) {
    const std::string local = long_text();
    return f(local);
}

awaitable<void> wrong() { (void)co_await hand_over(by_reference); }
awaitable<void> right() {
    const std::size_t sum = co_await hand_over(by_value);
    expect(sum == 100u * 'x', "a copy is there when it is wanted");
}

}  // namespace reference_parameter

namespace capturing_lambda {

auto reader() {
    return [text = long_text()]() -> awaitable<void> {
        co_await sleep_for(1s);
        use(text);
    };
}

/// Called while it lives, and gone when its coroutine goes on: as `scope.spawn([...] {...}())` has
/// it, whose lambda is gone at the semicolon. On the heap, where it is noticed for certain.
template <class F>
awaitable<void> call(F f) {
    const auto lambda = std::make_unique<F>(std::move(f));
    return (*lambda)();
}

awaitable<void> wrong() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        scope.spawn(call(reader()));
        co_await sleep_for(2s);
    });
}
awaitable<void> right() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        scope.spawn(reader());  // uncalled: the scope keeps it
        co_await sleep_for(2s);
    });
}

}  // namespace capturing_lambda

namespace service_that_is_gone {

struct greeter {
    std::string greeting = long_text();
    awaitable<http::response> serve(http::request) const {
        co_await sleep_for(1s);
        co_return http::text(greeting);
    }
};

awaitable<void> wrong() {
    std::optional<awaitable<http::response>> later;
    {
        const greeter service;
        later = service.serve(http::request());
    }
    (void)co_await std::move(*later);
}
awaitable<void> right() {
    const greeter service;
    const auto answer = co_await service.serve(http::request());
    expect(answer.status() == 200, "a service outlives what it handed out");
}

}  // namespace service_that_is_gone

namespace moved_this {

/// Movable, and it hands out coroutines that point to it.
struct by_this {
    std::unique_ptr<std::string> text = std::make_unique<std::string>(long_text());
    awaitable<std::size_t> sum() {
        co_await sleep_for(1s);
        co_return use(*text);
    }
};
/// The same, with the state in a place of its own that the coroutine shares.
struct by_state {
    std::shared_ptr<std::string> text = std::make_shared<std::string>(long_text());
    awaitable<std::size_t> sum() { return sum_of(text); }
    static awaitable<std::size_t> sum_of(std::shared_ptr<std::string> kept) {
        co_await sleep_for(1s);
        co_return use(*kept);
    }
};

template <class T>
awaitable<void> move_meanwhile() {
    auto first = std::make_unique<T>();
    awaitable<std::size_t> pending = first->sum();
    const T second = std::move(*first);
    first.reset();
    const std::size_t sum = co_await std::move(pending);
    expect(sum == 100u * 'x', "the state is where the coroutine left it");
}

awaitable<void> wrong() { return move_meanwhile<by_this>(); }
awaitable<void> right() { return move_meanwhile<by_state>(); }

}  // namespace moved_this

namespace view_into_a_request {

awaitable<void> wrong() {
    http::request r(http::method::get, "/" + long_text());
    const std::string_view path = r.path();
    r = http::request();
    use(path);
    co_return;
}
awaitable<void> right() {
    http::request r(http::method::get, "/" + long_text());
    const std::string path(r.path());
    r = http::request();
    expect(use(path) == '/' + 100u * 'x', "a copy stays");
    co_return;
}

}  // namespace view_into_a_request

namespace last_words {

/// A cancelled coroutine that says goodbye, or means to.
template <bool Shielded>
awaitable<bool> cancelled_in_its_sleep() {
    bool said = false;
    const auto goodbye = [&said]() -> awaitable<void> {
        co_await sleep_for(1s);
        said = true;
    };
    const auto work = [&]() -> awaitable<void> {
        std::exception_ptr e;
        try {
            co_await sleep_for(1h);
        } catch (...) {
            e = std::current_exception();
        }
        if constexpr (Shielded) {
            result<void> outcome;
            co_await shielded(5s, goodbye(), outcome);
        } else {
            co_await goodbye();  // throws before it begins
        }
        std::rethrow_exception(e);
    };
    const auto timed_out = co_await attempt(with_deadline(1s, work()));
    expect(!timed_out, "the hour was cut short");
    co_return said;
}

awaitable<void> wrong() {
    const bool said = co_await cancelled_in_its_sleep<false>();
    expect(said, "goodbye was never said");
}
awaitable<void> right() {
    const bool said = co_await cancelled_in_its_sleep<true>();
    expect(said, "goodbye was said");
}

}  // namespace last_words

namespace thread_local_across_await {

thread_local int current_user = 0;

/// What a coroutine awaits may run on another thread; here it does.
awaitable<void> wrong() {
    boost::asio::thread_pool pool(1);
    current_user = 7;
    int seen = 0;
    auto work = [&seen]() -> awaitable<void> {
        seen = current_user;
        co_return;
    };
    co_await run_on(pool.get_executor(), work());
    expect(seen == 7, "the other thread has another current_user");
}
awaitable<void> right() {
    boost::asio::thread_pool pool(1);
    int seen = 0;
    auto work = [&seen](int user) -> awaitable<void> {
        seen = user;
        co_return;
    };
    co_await run_on(pool.get_executor(), work(7));
    expect(seen == 7, "a value that is handed over arrives");
}

}  // namespace thread_local_across_await

struct hazard {
    const char* name;
    awaitable<void> (*wrong)();
    awaitable<void> (*right)();
    bool real = false;  ///< needs threads, so real time
};

constexpr std::array hazards{
    hazard{"reference_parameter", reference_parameter::wrong, reference_parameter::right},
    hazard{"capturing_lambda", capturing_lambda::wrong, capturing_lambda::right},
    hazard{"service_that_is_gone", service_that_is_gone::wrong, service_that_is_gone::right},
    hazard{"moved_this", moved_this::wrong, moved_this::right},
    hazard{"view_into_a_request", view_into_a_request::wrong, view_into_a_request::right},
    hazard{"last_words", last_words::wrong, last_words::right},
    hazard{"thread_local_across_await", thread_local_across_await::wrong,
           thread_local_across_await::right, true},
};

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    const std::string_view name = argc > 2 ? argv[2] : "";
    try {
        for (const hazard& h : hazards) {
            if (what == "names") {
                fmt::print("{}\n", h.name);
                continue;
            }
            if (what == "wrong" && name != h.name) continue;
            const auto body = what == "wrong" ? h.wrong : h.right;
            if (h.real)
                testing::run_real(body);
            else
                testing::run(body);
        }
    } catch (const std::exception& e) {
        fmt::print(stderr, "{}\n", e.what());
        return 1;
    }
    return 0;
}
