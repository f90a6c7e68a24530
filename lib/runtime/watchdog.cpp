// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "watchdog_loop.hpp"
#include "watchdog_thread.hpp"
#include <weft/core/extensions.hpp>
#include <weft/core/observe.hpp>
#include <weft/runtime/watchdog.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace weft {

namespace {

constexpr counter stalls_counter{"weft.event_loop.stalls", "{stall}",
                                 "Times that an event loop stood still."};
constexpr counter stalled_counter{"weft.event_loop.stalled_time", "ms",
                                  "For how long event loops stood still."};

std::int64_t in_ms(clock::duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

std::int64_t in_us(clock::duration d) {
    return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

std::string_view file_of(std::source_location where) {
    std::string_view file = where.file_name();
    if (const auto slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
    return file;
}

/// Signals are the program's: none is to be handled on the watchdog's thread.
class no_signals {
  public:
    no_signals() noexcept {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    no_signals(const no_signals&) = delete;
    no_signals& operator=(const no_signals&) = delete;
    ~no_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

}  // namespace

std::string_view to_string(thread_activity a) noexcept {
    switch (a) {
        case thread_activity::unknown:
            return "unknown";
        case thread_activity::computes:
            return "computes";
        case thread_activity::starved:
            return "starved";
        case thread_activity::waits:
            return "waits";
    }
    return "?";
}

std::string to_string(const stall& s) {
    std::string text = fmt::format(
        "{} {} {} ms", s.loop, s.over ? "stood still for" : "has stood still for", in_ms(s.lasted));
    const auto to = std::back_inserter(text);
    if (!s.call.empty())
        fmt::format_to(to, "; {} ms ago came {}", in_ms(s.resumed_ago), s.call);
    else if (!s.resumed.empty())
        fmt::format_to(to, "; {} ms ago went on: {} at {}:{} in {}", in_ms(s.resumed_ago),
                       s.resumed, file_of(s.where), s.where.line(), s.where.function_name());
    if (s.activity != thread_activity::unknown)
        fmt::format_to(to, "; thread {} {}", s.thread, to_string(s.activity));
    if (!s.system_call.empty()) fmt::format_to(to, " in {}", s.system_call);
    for (std::size_t i = 0; i < s.stack.size(); ++i)
        fmt::format_to(to, "{}{}", i == 0 ? "; stack: " : " < ", s.stack[i]);
    return text;
}

class watchdog::impl {
  public:
    explicit impl(options o)
        : options_(std::move(o)),
          interval_(std::max(std::min(options_.interval, options_.threshold / 2),
                             std::chrono::milliseconds(1))) {
        if (options_.observer) extensions_.insert(options_.observer);
        if (options_.stack_signal != 0) stacks_.emplace(options_.stack_signal);
        if (options_.looks == pace::by_hand) return;
        const no_signals blocked;
        thread_ = std::thread([this] { run(); });
    }

    ~impl() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        for (const auto& loop : loops_) loop->end();
    }

    void watch(boost::asio::any_io_executor executor, std::string name,
               std::source_location where) {
        // A test's time stands still while its loop runs, and its context is for one thread.
        if (options_.looks == pace::thread && context_info::of(executor).virtual_time()) return;
        auto loop = std::make_shared<detail::watched_loop>(std::move(executor), std::move(name),
                                                           where, options_.threshold, interval_);
        loop->begin();
        {
            const std::lock_guard lock(mutex_);
            std::erase_if(loops_, [](const auto& l) { return !l->alive(); });
            loops_.push_back(std::move(loop));
        }
        changed_.notify_all();
    }

    [[nodiscard]] std::vector<loop_state> states() const {
        std::vector<loop_state> all;
        for (const auto& loop : loops()) all.push_back(loop->state());
        return all;
    }

    void look() {
        const std::lock_guard one_at_a_time(looking_);
        for (const auto& loop : loops()) {
            auto found = loop->look();
            if (found.over) tell(*loop, *found.over);
            if (found.standing) {
                auto& f = *found.standing;
                f.facts = detail::facts_of(f.thread);
                if (stacks_) f.stack = stacks_->take(f.thread);
                loop->remember(f);
                tell(*loop, f);
            }
        }
    }

  private:
    [[nodiscard]] std::vector<std::shared_ptr<detail::watched_loop>> loops() const {
        const std::lock_guard lock(mutex_);
        return loops_;
    }

    void run() {
#if defined(__linux__)
        ::pthread_setname_np(::pthread_self(), "weft-watchdog");
#endif
        using steady = std::chrono::steady_clock;
        auto next = steady::now();
        auto next_summary = next + options_.summary;
        std::unique_lock lock(mutex_);
        while (!stop_) {
            if (loops_.empty()) {
                changed_.wait(lock);
                continue;
            }
            lock.unlock();
            look();
            const auto now = steady::now();
            if (options_.summary > std::chrono::milliseconds::zero() && now >= next_summary) {
                next_summary = now + options_.summary;
                summarize();
            }
            next = std::max(next + interval_, now);
            lock.lock();
            changed_.wait_until(lock, next, [this] { return stop_; });
        }
    }

    void tell(const detail::watched_loop& loop, const detail::watched_loop::finding& f) {
        stall s;
        s.loop = loop.name();
        s.over = f.over;
        s.lasted = f.lasted;
        s.where = f.resumed ? f.resumed->where : std::source_location();
        if (f.resumed) {
            s.resumed = f.resumed->what;
            s.call = f.resumed->call;
            s.resumed_ago = f.resumed_ago;
        }
        s.thread = f.thread;
        s.activity = detail::activity_between(f.before, f.facts);
        std::string system_call;
        if (s.activity == thread_activity::waits && f.facts)
            system_call = detail::name_of_system_call(f.facts->system_call);
        s.system_call = system_call;
        s.stack = f.stack;
        if (options_.on_stall) options_.on_stall(s);
        record(s, loop.where());
        if (!s.over) return;
        stalls_counter.add(extensions_, 1, {{"loop", s.loop}});
        stalled_counter.add(extensions_, static_cast<std::uint64_t>(in_ms(s.lasted)),
                            {{"loop", s.loop}});
    }

    void record(const stall& s, std::source_location otherwise) {
        if (!observed(extensions_, severity::warn)) return;
        std::vector<attribute> with{{"loop", s.loop}, {"stalled_ms", in_ms(s.lasted)}};
        if (!s.call.empty())
            with.push_back({"call", s.call});
        else if (!s.resumed.empty())
            with.push_back({"resumed", s.resumed});
        if (!s.resumed.empty()) with.push_back({"resumed_ago_ms", in_ms(s.resumed_ago)});
        if (s.where.line() != 0) with.push_back({"function", s.where.function_name()});
        if (s.thread != 0) with.push_back({"thread.id", s.thread});
        if (s.activity != thread_activity::unknown)
            with.push_back({"activity", to_string(s.activity)});
        if (!s.system_call.empty()) with.push_back({"system_call", s.system_call});
        std::string stack;
        for (const std::string& frame : s.stack) stack += (stack.empty() ? "" : " < ") + frame;
        if (!stack.empty()) with.push_back({"stack", stack});
        log(extensions_, severity::warn, s.over ? "event loop went on" : "event loop stalled", with,
            s.where.line() != 0 ? s.where : otherwise);
    }

    void summarize() {
        for (const auto& loop : loops()) {
            const histogram h = loop->take_period();
            if (h.count() == 0) continue;
            log(extensions_, severity::info, "event loop lateness",
                {{"loop", loop->name()},
                 {"asked", h.count()},
                 {"p50_us", in_us(h.percentile(0.5))},
                 {"p99_us", in_us(h.percentile(0.99))},
                 {"p999_us", in_us(h.percentile(0.999))},
                 {"max_us", in_us(h.max())}},
                loop->where());
        }
    }

    const options options_;
    const std::chrono::milliseconds interval_;
    extensions extensions_;
    std::optional<detail::stack_taker> stacks_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::shared_ptr<detail::watched_loop>> loops_;
    bool stop_ = false;

    std::mutex looking_;
    std::thread thread_;
};

watchdog::watchdog(options o) : impl_(std::make_unique<impl>(std::move(o))) {}

watchdog::~watchdog() = default;

void watchdog::watch(boost::asio::any_io_executor loop, std::string name,
                     std::source_location where) {
    impl_->watch(std::move(loop), std::move(name), where);
}

void watchdog::watch(weft::runtime& cores, std::source_location where) {
    for (std::size_t i = 0; i < cores.cores().size(); ++i)
        impl_->watch(cores.cores()[i], fmt::format("core {}", i), where);
}

std::vector<watchdog::loop_state> watchdog::loops() const { return impl_->states(); }

void watchdog::look() { impl_->look(); }

}  // namespace weft
