// What weft asks of a compiler's coroutines: values named in a co_await expression are destroyed
// exactly once and not before the full expression ends. GCC 12 fails several of these;
// docs/decisions/001-compilers.md has the table. Uses the standard library alone, so that any
// compiler can be asked:  CXX -std=c++20 -O2 test/compiler/coroutines.cpp && ./a.out
#include <coroutine>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

template <class T>
struct task {
    struct promise_type {
        std::optional<T> value;
        std::exception_ptr thrown;
        std::coroutine_handle<> waiting = std::noop_coroutine();

        task get_return_object() {
            return task{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct final_awaiter {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(
                std::coroutine_handle<promise_type> done) noexcept {
                return done.promise().waiting;
            }
            void await_resume() noexcept {}
        };
        final_awaiter final_suspend() noexcept { return {}; }
        void return_value(T v) { value.emplace(std::move(v)); }
        void unhandled_exception() { thrown = std::current_exception(); }
    };

    explicit task(std::coroutine_handle<promise_type> h) : handle(h) {}
    task(task&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    task& operator=(task&&) = delete;
    ~task() {
        if (handle) handle.destroy();
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        handle.promise().waiting = caller;
        return handle;
    }
    T await_resume() {
        if (handle.promise().thrown) std::rethrow_exception(handle.promise().thrown);
        return std::move(*handle.promise().value);
    }
    T run() {
        handle.resume();
        return await_resume();
    }

    std::coroutine_handle<promise_type> handle;
};

int alive = 0;
int destroyed_twice = 0;

// Knows how many of it live, and whether one is destroyed a second time.
struct counted {
    explicit counted(int n) : number(n) { ++alive; }
    counted(const counted& other) : number(other.number) { ++alive; }
    counted(counted&& other) noexcept : number(other.number) { ++alive; }
    counted& operator=(const counted&) = default;
    ~counted() {
        if (mark != 0x5eed) {
            ++destroyed_twice;
        } else {
            --alive;
        }
        mark = 0;
    }
    int number;
    int mark = 0x5eed;
};

struct aggregate {
    counted first;
    counted second{2};
};

task<int> by_value(aggregate a) { co_return a.first.number + a.second.number; }
task<int> number(int n) { co_return n; }
task<bool> yes() { co_return true; }
task<int> fails() {
    throw 7;
    co_return 0;
}
task<int> call(std::function<task<int>()> f) { co_return co_await f(); }

template <class F>
task<int> call_template(F f) {
    co_return co_await f();
}

task<int> sum(std::vector<counted> all) {
    int total = 0;
    for (const counted& c : all) total += c.number;
    co_return total;
}

task<int> aggregate_temporary() { co_return co_await by_value(aggregate{counted(1), counted(2)}); }

task<int> designated_aggregate_temporary() {
    co_return co_await by_value({.first = counted(1), .second = counted(2)});
}

task<int> aggregate_with_a_default() { co_return co_await by_value({.first = counted(1)}); }

task<int> capturing_lambda_temporary() {
    counted c(3);
    co_return co_await call([c]() -> task<int> { co_return c.number; });
}

task<int> capturing_lambda_to_a_template() {
    counted c(3);
    co_return co_await call_template([c]() -> task<int> { co_return c.number; });
}

task<int> move_only_capture() {
    auto p = std::make_unique<counted>(3);
    co_return co_await call_template([p = std::move(p)]() -> task<int> { co_return p->number; });
}

task<int> nested_lambda_temporaries() {
    counted c(3);
    co_return co_await call_template([c]() -> task<int> {
        co_return co_await call_template([c]() -> task<int> { co_return c.number; });
    });
}

task<int> initializer_list() { co_return co_await sum({counted(1), counted(2)}); }

task<int> await_in_a_braced_list() {
    const std::vector<int> v{co_await number(1), co_await number(2)};
    co_return v[0] + v[1];
}

task<int> await_in_an_aggregate() {
    aggregate a{counted(co_await number(1)), counted(co_await number(2))};
    co_return a.first.number + a.second.number;
}

task<int> await_in_a_conditional() {
    const counted c = co_await yes() ? counted(co_await number(3)) : counted(4);
    co_return c.number;
}

task<int> temporary_beside_an_await() { co_return counted(1).number + co_await number(2); }

task<int> temporaries_when_it_throws() {
    int got = 0;
    try {
        got = counted(1).number + co_await fails();
    } catch (int n) {
        got = n - 4;
    }
    co_return got;
}

task<int> loop_with_a_condition() {
    int n = 0;
    while (n < 3 && co_await yes()) n += co_await number(1);
    co_return n;
}

task<int> init_statement() {
    if (counted c(co_await number(3)); co_await yes()) co_return c.number;
    co_return 0;
}

}  // namespace

int main() {
    const std::pair<const char*, task<int> (*)()> cases[] = {
        {"an aggregate as a temporary argument", aggregate_temporary},
        {"a designated aggregate as an argument", designated_aggregate_temporary},
        {"an aggregate with a default member", aggregate_with_a_default},
        {"a capturing lambda as a std::function argument", capturing_lambda_temporary},
        {"a capturing lambda as a template argument", capturing_lambda_to_a_template},
        {"a lambda with a move-only capture", move_only_capture},
        {"a lambda within a lambda", nested_lambda_temporaries},
        {"an initializer list as an argument", initializer_list},
        {"co_await in a braced list", await_in_a_braced_list},
        {"co_await in an aggregate's braces", await_in_an_aggregate},
        {"co_await in a conditional expression", await_in_a_conditional},
        {"a temporary beside co_await", temporary_beside_an_await},
        {"temporaries when the awaited throws", temporaries_when_it_throws},
        {"co_await in a loop's condition", loop_with_a_condition},
        {"co_await in an init statement", init_statement},
    };
    int passed = 0;
    int failed = 0;
    for (const auto& [name, make] : cases) {
        alive = destroyed_twice = 0;
        const int got = make().run();
        if (got == 3 && alive == 0 && destroyed_twice == 0) {
            ++passed;
        } else {
            ++failed;
            std::printf("%s: got %d, %d left alive, %d destroyed twice\n", name, got, alive,
                        destroyed_twice);
        }
        std::fflush(stdout);
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
