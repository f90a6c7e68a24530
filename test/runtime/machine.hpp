// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// A context with virtual time that a test moves turn by turn: for tests that must act at an exact
// point.

#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace weft_test {

namespace asio = boost::asio;
using weft::awaitable;
using namespace std::chrono_literals;

class machine {
  public:
    explicit machine(bool serial = true) : info(weft::context_info::of(io)) {
        info.use_virtual_time(clock);
        info.set_serial(serial);
    }

    /// Runs everything that is ready; time stands still.
    void settle() {
        io.restart();
        while (io.poll() > 0) io.restart();
    }
    /// Runs at most one handler.
    bool step() {
        io.restart();
        return io.poll_one() > 0;
    }
    /// Moves time on, from deadline to deadline.
    void advance(weft::clock::duration d) {
        settle();
        const auto target = clock.time + d;
        while (const auto next = info.deadlines().next_deadline()) {
            if (*next > target) break;
            if (*next > clock.time) clock.time = *next;
            if (info.deadlines().advance_to(clock.time) == 0) break;
            settle();
        }
        clock.time = target;
        info.deadlines().advance_to(target);
        settle();
    }

    struct jumping_clock final : weft::clock {
        time_point time{std::chrono::hours(1000)};
        time_point now() const noexcept override { return time; }
    };

    jumping_clock clock;
    asio::io_context io{1};
    weft::context_info& info;
};

/// How an await ended, in a word: "value", "aborted", "timeout", "rejected", or the text of another
/// exception.
inline std::string outcome_of(std::exception_ptr e) {
    if (!e) return "value";
    try {
        std::rethrow_exception(std::move(e));
    } catch (const weft::failure& f) {
        return std::string(weft::to_string(f.kind()));
    } catch (const boost::system::system_error& s) {
        return s.code() == asio::error::operation_aborted ? "aborted" : s.code().message();
    } catch (const std::exception& x) {
        return x.what();
    } catch (...) {
        return "unknown";
    }
}

/// A coroutine that a test started: it can be cancelled, and it says how it ended.
class started {
  public:
    started() = default;
    started(const started&) = delete;
    started& operator=(const started&) = delete;

    /// Runs `work` on `executor`.
    template <class Executor, class Work>
    void start(Executor executor, Work work) {
        asio::co_spawn(executor, watch(std::move(work)),
                       asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr e) {
                           if (e) std::rethrow_exception(e);
                       }));
    }

    /// On the coroutine's executor only.
    void cancel() { signal.emit(asio::cancellation_type::terminal); }

    [[nodiscard]] bool done() const { return !outcome.empty(); }

    asio::cancellation_signal signal;
    bool begun = false;
    std::string outcome;             ///< empty while it runs
    bool cancellation_seen = false;  ///< whether the caller was left cancelled

  private:
    template <class Work>
    awaitable<void> watch(Work work) {
        begun = true;
        std::exception_ptr e;
        try {
            co_await work();
        } catch (...) {
            e = std::current_exception();
        }
        const auto state = co_await asio::this_coro::cancellation_state;
        cancellation_seen = state.cancelled() != asio::cancellation_type::none;
        // Or Asio's last step would throw out of the context's run().
        co_await asio::this_coro::throw_if_cancelled(false);
        outcome = outcome_of(std::move(e));
    }
};

/// Runs `work` to its end in a machine of its own, time included; rethrows what it throws.
template <class Work>
void run_in(machine& m, Work work) {
    started s;
    std::exception_ptr e;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> {
        try {
            co_await work();
        } catch (...) {
            e = std::current_exception();
        }
    });
    m.advance(24h);
    if (e) std::rethrow_exception(e);
    if (!s.done()) throw std::runtime_error("the test's coroutine has not ended");
}

}  // namespace weft_test
