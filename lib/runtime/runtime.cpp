// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/runtime.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace weft {

namespace asio = boost::asio;

namespace {

/// An io_context whose coroutines can be destroyed while the other cores' contexts still stand.
class core_context : public asio::io_context {
  public:
    // The scheduler keeps its locks (any thread may post), the sockets do without: one thread runs
    // and touches them.
    core_context() : asio::io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO) {}
    void drop_all() noexcept { shutdown(); }
};

}  // namespace

struct runtime::core {
    core_context context;
    context_info& info = context_info::of(context);
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
};

/// One call of run(). Core 0 owns it, except for what is atomic or under the mutex.
struct runtime::run_state {
    runtime& owner;

    std::optional<asio::signal_set> signals;
    asio::cancellation_signal stop_main;
    bool main_done = false;
    bool main_cancelled = false;
    int status = 0;
    std::exception_ptr error;
    int signal_number = 0;
    bool forced = false;
    std::size_t cores_running = 0;  // beside core 0

    std::mutex mutex;
    std::exception_ptr stray;  // what escaped a handler

    void stop_cores() {
        for (auto& c : owner.cores_) c->context.stop();
    }
    void cancel_main() {
        if (main_done || std::exchange(main_cancelled, true)) return;
        stop_main.emit(asio::cancellation_type::terminal);
    }
    void on_main_done(std::exception_ptr e, int value) {
        main_done = true;
        error = std::move(e);
        status = value;
        signals.reset();  // from here on a signal does what it did before
        owner.cores_.front()->context.stop();
    }
    void wait_for_signal() {
        signals->async_wait([this](boost::system::error_code ec, int number) {
            if (ec || main_done) return;
            if (std::exchange(signal_number, number) == 0) {
                wait_for_signal();
                cancel_main();
            } else {
                forced = true;
                stop_cores();
            }
        });
    }
    void keep_stray() {
        const std::lock_guard lock(mutex);
        if (!stray) stray = std::current_exception();
    }
};

namespace {

awaitable<int> with_status(awaitable<void> main) {
    co_await std::move(main);
    co_return 0;
}

void complain(const std::string& what) {
    const std::string line = fmt::format("weft: {}\n", what);
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void name_thread(std::size_t core) {
#if defined(__linux__)
    // Shown by top and in a debugger; that it may fail hurts no one.
    ::pthread_setname_np(::pthread_self(), fmt::format("weft-{}", core).c_str());
#else
    (void)core;
#endif
}

}  // namespace

runtime::runtime(options o) : options_(std::move(o)) {
    if (options_.threads == 0) options_.threads = std::max(1u, std::thread::hardware_concurrency());
    make_cores();
}

runtime::~runtime() { drop_cores(); }

void runtime::make_cores() {
    for (std::size_t i = 0; i < options_.threads; ++i) {
        core& c = *cores_.emplace_back(std::make_unique<core>());
        c.info.set_serial(true);
        c.info.set_owner(this, i);
        executors_.emplace_back(c.context.get_executor());
    }
}

/// Destroys what still runs, and only then the contexts: a coroutine of one core may hold something
/// of another's.
void runtime::drop_cores() noexcept {
    executors_.clear();
    for (auto& c : cores_) {
        c->work.reset();
        c->context.drop_all();
    }
    cores_.clear();
}

int runtime::run(awaitable<void> main) { return run(with_status(std::move(main))); }

int runtime::run(awaitable<int> main) {
    core& first = *cores_.front();
    run_state state{.owner = *this};
    for (auto& c : cores_) {
        c->context.restart();
        c->work.emplace(c->context.get_executor());
    }

    // Main is queued before a first signal can be seen: the cancellation never meets a coroutine
    // that has not begun.
    asio::co_spawn(first.context, std::move(main),
                   asio::bind_cancellation_slot(state.stop_main.slot(),
                                                [&state](std::exception_ptr e, int value) {
                                                    state.on_main_done(std::move(e), value);
                                                }));
    std::vector<std::thread> threads;
    const auto join = [&threads] {
        for (std::thread& t : threads) t.join();
        threads.clear();
    };
    try {
        if (!options_.signals.empty()) {
            state.signals.emplace(first.context);
            for (const int number : options_.signals) state.signals->add(number);
            state.wait_for_signal();
        }
        threads.reserve(cores_.size());
        for (std::size_t i = 1; i < cores_.size(); ++i) {
            threads.emplace_back([this, i, &state] {
                name_thread(i);
                run_core(*cores_[i], state);
                asio::post(cores_.front()->context, [&state] { --state.cores_running; });
            });
            ++state.cores_running;
        }
    } catch (...) {
        // No thread, or no such signal: main has not begun, so nothing is lost.
        state.stop_cores();
        join();
        state.signals.reset();
        drop_cores();
        make_cores();
        throw;
    }

    run_core(first, state);

    bool settled = false;
    if (state.forced) {
        join();
    } else {
        // Last words. Each core ends when it has no work left; what one leaves for another is run
        // after that.
        const auto end = std::chrono::steady_clock::now() + options_.linger;
        for (auto& c : cores_) {
            asio::post(c->context, [&core = *c] {
                core.info.deadlines().release_timer();
                core.work.reset();
            });
        }
        first.context.restart();
        while (std::chrono::steady_clock::now() < end &&
               !(first.context.stopped() && state.cores_running == 0)) {
            try {
                first.context.restart();
                std::optional<asio::executor_work_guard<asio::io_context::executor_type>> others;
                if (state.cores_running != 0) others.emplace(first.context.get_executor());
                first.context.run_one_until(end);
            } catch (...) {
                state.keep_stray();
            }
        }
        if (state.cores_running != 0) state.stop_cores();
        join();
        settled = settle_cores(end, state);
    }
    state.signals.reset();
    if (!settled) {
        // Coroutines that still stand refer to things of the caller's, so they go first.
        drop_cores();
        make_cores();
    }

    if (state.forced) {
        complain("stopped by a second signal before the drain was over");
        return 1;
    }
    if (state.stray) {
        complain(std::string("an exception escaped a handler: ") +
                 failure::from(state.stray).what());
        return 1;
    }
    if (state.error) {
        const failure f = failure::from(state.error);
        if (state.signal_number != 0 && f.kind() == failure_kind::cancelled) return 0;
        complain(f.what());
        return 1;
    }
    return state.status;
}

/// Runs one core until it is stopped or out of work.
void runtime::run_core(core& c, run_state& state) {
    for (;;) {
        try {
            c.context.run();
            return;
        } catch (...) {
            state.keep_stray();
            asio::post(cores_.front()->context, [&state] { state.cancel_main(); });
        }
    }
}

/// All threads are joined: runs what cores have left for each other, on this thread. False when
/// something is still there at `end`.
bool runtime::settle_cores(std::chrono::steady_clock::time_point end, run_state& state) {
    for (;;) {
        std::size_t ran = 0;
        bool work_left = false;
        for (auto& c : cores_) {
            c->context.restart();
            try {
                ran += c->context.poll();
            } catch (...) {
                state.keep_stray();
                ++ran;
            }
            work_left = work_left || !c->context.stopped();
        }
        if (ran == 0 && !work_left) return true;
        if (std::chrono::steady_clock::now() >= end) return false;
        // Some core waits for the outside; which, epoll knows only one at a time.
        if (ran == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

int run(awaitable<void> main) { return runtime{{.threads = 1}}.run(std::move(main)); }

int run(awaitable<int> main) { return runtime{{.threads = 1}}.run(std::move(main)); }

}  // namespace weft
