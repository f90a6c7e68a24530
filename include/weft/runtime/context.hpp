// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/entropy.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace weft {

class deadlines;
class runtime;
class task_scope;

/// How many of each thing live on one execution context right now. `testing::run` asserts that all
/// are zero at its end.
struct live_counts {
    std::atomic<std::int64_t> tasks{0};      ///< children of task_scopes
    std::atomic<std::int64_t> streams{0};    ///< io::streams of any kind
    std::atomic<std::int64_t> deadlines{0};  ///< entries in the deadline wheel, and sleeps
    std::atomic<std::int64_t> waiters{0};    ///< waits on semaphores, events, channels and mutexes
    std::atomic<std::int64_t> descriptors{0};  ///< sockets and files
};

/// Counts its owner in one of `live_counts` for as long as it lives; moves with its owner.
///
///     live_token counted_{context_info::of(ex).live().streams};
///
/// Must not outlive the execution context.
class live_token {
  public:
    live_token() noexcept = default;
    explicit live_token(std::atomic<std::int64_t>& counter) noexcept : counter_(&counter) {
        counter.fetch_add(1, std::memory_order_relaxed);
    }
    live_token(live_token&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
    live_token& operator=(live_token&& other) noexcept {
        if (this != &other) {
            reset();
            counter_ = std::exchange(other.counter_, nullptr);
        }
        return *this;
    }
    ~live_token() { reset(); }

    void reset() noexcept {
        if (counter_) counter_->fetch_sub(1, std::memory_order_relaxed);
        counter_ = nullptr;
    }

  private:
    std::atomic<std::int64_t>* counter_ = nullptr;
};

/// What weft knows of one execution context: its time, its randomness, its deadlines, who runs it.
///
///     auto ex = co_await asio::this_coro::executor;
///     context_info& here = context_info::of(ex);       // takes a lock: once per connection
///     entry limit(here.deadlines(), ex, &on_limit);
///
/// It comes into being at the first look and ends with the context; any Asio context will do
/// (io_context, thread_pool, system_context). All functions may be called from any thread, except
/// those under "for runners".
class context_info final : public boost::asio::execution_context::service {
  public:
    static boost::asio::execution_context::id id;

    explicit context_info(boost::asio::execution_context& context);
    ~context_info() override;

    static context_info& of(boost::asio::execution_context& context);
    template <class Executor>
        requires(!std::is_base_of_v<boost::asio::execution_context, Executor>)
    static context_info& of(const Executor& executor) {
        return of(static_cast<boost::asio::execution_context&>(
            boost::asio::query(executor, boost::asio::execution::context)));
    }

    [[nodiscard]] weft::clock& clock() noexcept { return *clock_; }
    [[nodiscard]] weft::entropy& entropy() noexcept { return *entropy_; }
    [[nodiscard]] weft::deadlines& deadlines() noexcept { return *deadlines_; }
    [[nodiscard]] live_counts& live() noexcept { return live_; }

    /// Exactly one thread runs this context, and only weft decides which: no strand is needed, no
    /// lock is taken.
    [[nodiscard]] bool serial() const noexcept { return serial_; }
    /// Time is moved by a test.
    [[nodiscard]] bool virtual_time() const noexcept { return virtual_time_; }
    /// Null outside tests and where no watchdog watches.
    [[nodiscard]] wait_registry* waits() const noexcept {
        return waits_.load(std::memory_order_acquire);
    }
    /// Where it is noted who resumed last; null while no watchdog has asked.
    [[nodiscard]] detail::resume_mark* mark() const noexcept {
        return mark_.load(std::memory_order_acquire);
    }
    /// How many things outside of weft's sight may still call back: see external_work.
    [[nodiscard]] std::int64_t external() const noexcept {
        return external_.load(std::memory_order_acquire);
    }

    /// The runtime that this context is a core of, or null.
    [[nodiscard]] weft::runtime* owner() const noexcept { return owner_; }
    /// Which core of the owner it is; 0 without one.
    [[nodiscard]] std::size_t core() const noexcept { return core_; }
    /// The scope of the test that runs on this context, or null: what a mock spawns its servers
    /// into.
    [[nodiscard]] task_scope* test_root() const noexcept { return test_root_; }

    /// For a watchdog: from now on it is noted who resumed last.
    detail::resume_mark& keep_mark();

    // For runners: before anything else uses the context, on one thread.

    void set_serial(bool serial) noexcept { serial_ = serial; }
    void set_owner(weft::runtime* owner, std::size_t core) noexcept {
        owner_ = owner;
        core_ = core;
    }
    /// From now on `clock` is the time, and only deadlines::advance_to moves deadlines.
    void use_virtual_time(weft::clock& clock) noexcept {
        clock_ = &clock;
        virtual_time_ = true;
    }
    void use_entropy(weft::entropy& entropy) noexcept { entropy_ = &entropy; }
    void use_waits(wait_registry* waits) noexcept {
        waits_.store(waits, std::memory_order_release);
    }
    void set_test_root(task_scope* root) noexcept { test_root_ = root; }

  private:
    friend class external_work;
    void shutdown() override;
    void notify_fork(boost::asio::execution_context::fork_event event) override;

    weft::clock real_clock_;
    system_entropy real_entropy_;
    weft::clock* clock_ = &real_clock_;
    weft::entropy* entropy_ = &real_entropy_;
    live_counts live_;
    std::atomic<std::int64_t> external_{0};
    bool serial_ = false;
    bool virtual_time_ = false;
    std::atomic<wait_registry*> waits_{nullptr};
    std::atomic<detail::resume_mark*> mark_{nullptr};
    struct marking;
    std::mutex marking_mutex_;
    std::unique_ptr<marking> marking_;
    weft::runtime* owner_ = nullptr;
    std::size_t core_ = 0;
    task_scope* test_root_ = nullptr;
    std::unique_ptr<weft::deadlines> deadlines_;
};

/// Says that something outside of weft's sight will call back: a real socket's operation, a
/// resolver thread, a signal. While one lives, virtual time stands still and a test waits for the
/// real event. Moves with its owner.
class external_work {
  public:
    external_work() noexcept = default;
    explicit external_work(context_info& info) noexcept : info_(&info) {
        info.external_.fetch_add(1, std::memory_order_relaxed);
    }
    external_work(external_work&& other) noexcept : info_(std::exchange(other.info_, nullptr)) {}
    external_work& operator=(external_work&& other) noexcept {
        if (this != &other) {
            reset();
            info_ = std::exchange(other.info_, nullptr);
        }
        return *this;
    }
    ~external_work() { reset(); }

    void reset() noexcept {
        if (info_) info_->external_.fetch_sub(1, std::memory_order_release);
        info_ = nullptr;
    }

  private:
    context_info* info_ = nullptr;
};

}  // namespace weft
