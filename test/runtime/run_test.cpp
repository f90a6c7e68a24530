// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/shutdown.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

namespace {

struct outcome {
    int status = -1;     // of exit; -1 when a signal ended it
    int signal = 0;      // that ended it
    std::string errors;  // its stderr
};

/// Runs `f` as a program of its own: signals are for a whole process.
template <class F>
outcome in_child(F f) {
    std::array<int, 2> fds{};
    REQUIRE(::pipe(fds.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::dup2(fds[1], STDERR_FILENO);
        ::close(fds[0]);
        ::close(fds[1]);
        ::_exit(f());
    }
    ::close(fds[1]);
    outcome result;
    std::array<char, 256> buffer{};
    for (ssize_t n = 0; (n = ::read(fds[0], buffer.data(), buffer.size())) > 0;)
        result.errors.append(buffer.data(), static_cast<std::size_t>(n));
    ::close(fds[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    return result;
}

awaitable<void> raise_and_wait(int signal) {
    std::raise(signal);
    co_await sleep_for(1h);
}

std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("run gives the status of its coroutine, of each kind") {
    CHECK(weft::run([]() -> awaitable<void> { co_return; }) == 0);
    CHECK(weft::run([]() -> awaitable<int> { co_return 7; }) == 7);
    auto plain = []() -> awaitable<int> {
        co_await sleep_for(1ms);
        co_return 3;
    };
    CHECK(weft::run(plain()) == 3);
    CHECK(weft::run(sleep_for(1ms)) == 0);
    int seen = 0;
    CHECK(weft::run([&seen, big = std::string(100, 'x')]() -> awaitable<void> {
              co_await sleep_for(1ms);
              seen = static_cast<int>(big.size());
          }) == 0);
    CHECK(seen == 100);
}

TEST_CASE("in run the executor is serial, and knows its runtime") {
    CHECK(weft::run([]() -> awaitable<void> {
              auto ex = co_await asio::this_coro::executor;
              CHECK(is_serial(ex));
              auto& info = context_info::of(ex);
              CHECK(info.serial());
              REQUIRE(info.owner() != nullptr);
              CHECK(info.owner()->cores().size() == 1);
              CHECK(info.owner()->cores()[0] == ex);
          }) == 0);
}

TEST_CASE("the first signal cancels main, which is no failure") {
    for (const int signal : {SIGTERM, SIGINT}) {
        const outcome o = in_child([signal] { return weft::run(raise_and_wait(signal)); });
        CHECK(o.status == 0);
        CHECK(o.errors.empty());
    }
}

TEST_CASE("main may drain after a signal and give its own status") {
    const outcome o = in_child([] {
        return weft::run([]() -> awaitable<int> {
            bool cancelled = false;
            try {
                co_await raise_and_wait(SIGTERM);
            } catch (const boost::system::system_error&) {
                cancelled = true;
            }
            co_await asio::this_coro::reset_cancellation_state();
            co_await sleep_for(5ms);
            co_return cancelled ? 5 : 6;
        });
    });
    CHECK(o.status == 5);
    CHECK(o.errors.empty());
}

TEST_CASE("the second signal stops at once, and destroys what stands") {
    const outcome o = in_child([] {
        bool destroyed = false;
        const int status = weft::run([&]() -> awaitable<void> {
            struct on_exit {
                bool& flag;
                ~on_exit() { flag = true; }
            } const guard{destroyed};
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            auto ex = co_await asio::this_coro::executor;
            std::raise(SIGTERM);
            co_await sleep_for(5ms);
            std::raise(SIGINT);
            co_await sleep_for(1h);
        });
        return destroyed ? status + 40 : status;
    });
    CHECK(o.status == 41);
    CHECK(o.errors.find("second signal") != std::string::npos);
    CHECK(lines(o.errors) == 1);
}

TEST_CASE("a failure is one line on stderr and status 1") {
    const outcome o = in_child([] {
        return weft::run([]() -> awaitable<void> {
            co_await sleep_for(1ms);
            throw failure(failure_kind::unavailable, "no one there");
        });
    });
    CHECK(o.status == 1);
    CHECK(o.errors.find("no one there") != std::string::npos);
    CHECK(lines(o.errors) == 1);

    const outcome odd = in_child([] {
        return weft::run([]() -> awaitable<int> {
            throw 42;
            co_return 0;
        });
    });
    CHECK(odd.status == 1);
    CHECK(lines(odd.errors) == 1);
}

TEST_CASE("being cancelled without a signal is a failure") {
    const outcome o = in_child([] {
        return weft::run([]() -> awaitable<void> {
            throw boost::system::system_error(asio::error::operation_aborted);
            co_return;
        });
    });
    CHECK(o.status == 1);
    CHECK(lines(o.errors) == 1);
}

TEST_CASE("an exception that escapes a handler ends main and is status 1") {
    const outcome o = in_child([] {
        return weft::run([]() -> awaitable<void> {
            asio::post(co_await asio::this_coro::executor,
                       [] { throw std::runtime_error("stray"); });
            co_await sleep_for(1h);
        });
    });
    CHECK(o.status == 1);
    CHECK(o.errors.find("stray") != std::string::npos);
    CHECK(lines(o.errors) == 1);
}

TEST_CASE("last words after main are heard, up to the linger time") {
    bool heard = false;
    CHECK(weft::run([&heard]() -> awaitable<void> {
              auto last = [](bool& flag) -> awaitable<void> {
                  co_await sleep_for(5ms);
                  flag = true;
              };
              asio::co_spawn(co_await asio::this_coro::executor, last(heard), asio::detached);
          }) == 0);
    CHECK(heard);

    bool destroyed = false;
    const auto begun = std::chrono::steady_clock::now();
    weft::runtime one{{.threads = 1, .linger = 10ms}};
    CHECK(one.run([&destroyed]() -> awaitable<void> {
        auto stuck = [](bool& flag) -> awaitable<void> {
            struct on_exit {
                bool& f;
                ~on_exit() { f = true; }
            } const guard{flag};
            co_await sleep_for(1h);
        };
        asio::co_spawn(co_await asio::this_coro::executor, stuck(destroyed), asio::detached);
    }) == 0);
    CHECK(destroyed);
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
    CHECK(one.run([]() -> awaitable<int> { co_return 9; }) == 9);
}

TEST_CASE("after run a signal does again what it did before") {
    const outcome o = in_child([] {
        const int status = weft::run(sleep_for(1ms));
        std::raise(SIGTERM);
        return status;
    });
    CHECK(o.signal == SIGTERM);
}

TEST_CASE("shutdown_signal gives the signal's number on a foreign io_context") {
    const outcome o = in_child([] {
        asio::io_context ioc;
        int number = 0;
        auto body = [](int& out) -> awaitable<void> {
            out = co_await shutdown_signal({SIGUSR1, SIGTERM});
        };
        asio::co_spawn(ioc, body(number), asio::detached);
        asio::post(ioc, [] { std::raise(SIGUSR1); });
        ioc.run();
        return number == SIGUSR1 ? 0 : 1;
    });
    CHECK(o.status == 0);
}
