// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "run_common.hpp"
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/execution.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <utility>

namespace weft::testing::detail {

namespace asio = boost::asio;

namespace {

class virtual_clock final : public clock {
  public:
    [[nodiscard]] time_point now() const noexcept override { return now_; }
    [[nodiscard]] wall_time_point wall_now() const noexcept override {
        using namespace std::chrono;
        constexpr wall_time_point year_2024 = sys_days(2024y / January / 1);
        return year_2024 + duration_cast<wall_time_point::duration>(now_ - start);
    }
    void set(time_point t) noexcept {
        if (t > now_) now_ = t;
    }

  private:
    // Not zero, so that a time that was never set stands out.
    static constexpr time_point start{std::chrono::hours(1)};
    time_point now_ = start;
};

/// Work that is ready to run, in the order in which it came.
class ready_queue {
  public:
    ready_queue() = default;
    ready_queue(const ready_queue&) = delete;
    ready_queue& operator=(const ready_queue&) = delete;

    struct work {
        work() = default;
        work(const work&) = delete;
        work& operator=(const work&) = delete;
        virtual ~work() = default;
        virtual void run() = 0;
    };

    void attach(asio::io_context& context) noexcept { context_ = &context; }
    [[nodiscard]] asio::io_context& context() const noexcept { return *context_; }
    /// A task is running on this thread right now, so more may run inside it.
    [[nodiscard]] bool inside() const noexcept { return on_thread() && running_; }

    void push(std::unique_ptr<work> w) {
        if (on_thread()) {
            if (!closed_) ready_.push_back(std::move(w));
        } else {
            // From a resolver's thread, say: through the io_context, which also wakes it.
            asio::post(*context_, [this, w = std::move(w)]() mutable { push(std::move(w)); });
        }
    }

    [[nodiscard]] bool empty() const noexcept { return ready_.empty(); }

    /// Runs one task: the oldest, or any when `random` is given.
    void run_one(entropy* random) {
        std::unique_ptr<work> w;
        if (random && ready_.size() > 1)
            std::swap(ready_.front(), ready_[random->below(ready_.size())]);
        w = std::move(ready_.front());
        ready_.pop_front();
        const bool outer = std::exchange(running_, true);
        try {
            w->run();
        } catch (...) {
            running_ = outer;
            throw;
        }
        running_ = outer;
    }

    /// Destroys what is ready, and from now on whatever is given.
    void close() noexcept {
        closed_ = true;
        while (!ready_.empty()) {
            const std::unique_ptr<work> w = std::move(ready_.front());
            ready_.pop_front();
        }
    }

  private:
    /// All but `context_` belongs to the thread of the test: another must ask this first.
    [[nodiscard]] bool on_thread() const noexcept { return std::this_thread::get_id() == thread_; }

    asio::io_context* context_ = nullptr;
    const std::thread::id thread_ = std::this_thread::get_id();
    std::deque<std::unique_ptr<work>> ready_;
    bool running_ = false;
    bool closed_ = false;
};

/// The executor of a test: it belongs to an io_context, so that every Asio object may live on it,
/// and queues for itself.
class queue_executor {
  public:
    explicit queue_executor(ready_queue& queue) noexcept : queue_(&queue) {}

    asio::execution_context& query(asio::execution::context_t) const noexcept {
        return queue_->context();
    }
    asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
        if (never_) return asio::execution::blocking.never;
        return asio::execution::blocking.possibly;
    }
    queue_executor require(asio::execution::blocking_t::never_t) const noexcept {
        return {*queue_, true};
    }
    queue_executor require(asio::execution::blocking_t::possibly_t) const noexcept {
        return {*queue_, false};
    }

    template <class F>
    void execute(F f) const {
        if (!never_ && queue_->inside()) {
            std::move(f)();
            return;
        }
        struct task final : ready_queue::work {
            explicit task(F&& function) : f(std::move(function)) {}
            void run() override { std::move(f)(); }
            F f;
        };
        queue_->push(std::make_unique<task>(std::move(f)));
    }

    friend bool operator==(const queue_executor&, const queue_executor&) noexcept = default;

  private:
    queue_executor(ready_queue& queue, bool never) noexcept : queue_(&queue), never_(never) {}

    ready_queue* queue_;
    bool never_ = false;
};

class virtual_run {
  public:
    virtual_run(const run_options& options, std::source_location where)
        : options_(options), random_(options.seed), order_(~options.seed), root_(where) {
        queue_.attach(context_);
        info_.set_serial(true);
        info_.use_virtual_time(clock_);
        info_.use_entropy(random_);
        info_.use_waits(&waits_);
    }
    virtual_run(const virtual_run&) = delete;
    virtual_run& operator=(const virtual_run&) = delete;
    ~virtual_run() { queue_.close(); }

    void run(start_function start, void* argument) {
        root_.start(info_, start, argument, queue_executor(queue_));
        bool over_time = false;
        while (!root_.done()) {
            if (out_of_time()) {
                if (over_time) break;
                over_time = true;
                root_.fail_with_report(
                    fmt::format("the test did not end within {} ms of real time",
                                options_.limit.count()),
                    info_.external() > 0
                        ? "virtual time stands still while outside work is under way: a real "
                          "socket, a resolver thread or a signal. What needs those goes into "
                          "testing::run_real.\n"
                        : "");
                begun_ = machine_.now() - options_.limit + std::chrono::seconds(1);
            }
            if (run_ready() || root_.done()) continue;
            if (info_.external() > 0) {
                wait_for_outside();
            } else if (const auto next = info_.deadlines().next_deadline()) {
                clock_.set(*next);
                info_.deadlines().advance_to(clock_.now());
            } else if (!cancelled_) {
                cancelled_ = true;
                root_.fail_with_report(
                    "deadlock: nothing is ready, no deadline is armed, and no outside work is "
                    "under way",
                    foreign_ ? "an operation that weft does not know (an asio::steady_timer or a "
                               "socket of Asio's own) is "
                               "pending on the test's io_context. In virtual time it never "
                               "completes: use "
                               "weft::sleep_for, or testing::run_real.\n"
                             : "");
            } else {
                root_.give_up();
                break;
            }
        }
        // What ends on its executor's next turns may do so.
        while (!out_of_time() && run_ready()) {
        }
        root_.finish(root_.done() && foreign_);
    }

  private:
    [[nodiscard]] bool out_of_time() const { return machine_.now() - begun_ >= options_.limit; }

    /// Runs what is ready, but no more than a slice of it; false when there was nothing.
    bool run_ready() {
        std::size_t n = 0;
        try {
            for (; n < 256 && !queue_.empty(); ++n)
                queue_.run_one(options_.shuffle ? &order_ : nullptr);
            context_.restart();
            n += context_.poll();
        } catch (...) {
            root_.fail(std::current_exception());
            return true;
        }
        // With no work outstanding, poll stops the io_context: ours is not counted, so what is left
        // is foreign.
        foreign_ = !context_.stopped();
        return n != 0 || !queue_.empty();
    }

    void wait_for_outside() {
        try {
            const auto work = asio::make_work_guard(context_);
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(50));
        } catch (...) {
            root_.fail(std::current_exception());
        }
    }

    const run_options& options_;
    weft::clock machine_;
    clock::time_point begun_ = machine_.now();
    virtual_clock clock_;
    seeded_entropy random_;
    seeded_entropy order_;
    wait_registry waits_;
    // These outlive the io_context, whose end may destroy coroutines that still know them.
    ready_queue queue_;
    test_root root_;
    asio::io_context context_{1};
    context_info& info_ = context_info::of(context_);
    bool cancelled_ = false;
    bool foreign_ = false;
};

}  // namespace

void run_virtual(start_function start, void* argument, const run_options& options,
                 std::source_location where) {
    virtual_run(options, where).run(start, argument);
}

}  // namespace weft::testing::detail
