// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "look_up_pool.hpp"

#include "failures.hpp"
#include <weft/runtime/context.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

namespace weft::dns::detail {

namespace asio = boost::asio;

/// One look-up. All but the question and the three constants is guarded by the pool's lock.
struct look_up_pool::job {
    std::string name;
    net::address_family family;
    std::shared_ptr<look_up_pool> pool;
    bool* begun = nullptr;  ///< of who waits; null when nobody does

    handler complete;  ///< taken once, by whoever is first
    asio::any_io_executor base;
    asio::any_completion_executor executor;
    external_work external;
    context_jobs* listed = nullptr;
};

/// The jobs that one execution context waits for: when it ends they are dropped, and a thread that
/// comes back later finds nobody to tell.
class look_up_pool::context_jobs final : public asio::execution_context::service {
  public:
    using key_type = context_jobs;
    static asio::execution_context::id id;

    explicit context_jobs(asio::execution_context& context) : service(context) {}

    void add(const std::shared_ptr<job>& j) {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(j);
    }
    void remove(const std::shared_ptr<job>& j) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase(jobs_, j);
    }

  private:
    void shutdown() override {
        for (;;) {
            std::shared_ptr<job> j;
            {
                const std::lock_guard lock(mutex_);
                if (jobs_.empty()) return;
                j = std::move(jobs_.back());
                jobs_.pop_back();
            }
            j->pool->drop(j);
        }
    }

    std::mutex mutex_;
    std::vector<std::shared_ptr<job>> jobs_;
};

asio::execution_context::id look_up_pool::context_jobs::id;

/// The context ends: the handler, and the coroutine in it, is destroyed here.
void look_up_pool::drop(const std::shared_ptr<job>& j) {
    handler gone;
    {
        const std::lock_guard lock(mutex_);
        gone = std::move(j->complete);
        j->complete = nullptr;
        j->begun = nullptr;
        j->listed = nullptr;
        j->external.reset();
        j->executor = asio::any_completion_executor();
        j->base = asio::any_io_executor();
        std::erase(queue_, j);
    }
}

/// With the lock held, so that the context cannot end between the look at the handler and the post.
void look_up_pool::finish(const std::shared_ptr<job>& j, outcome o) {
    if (!j->complete) return;
    std::erase(queue_, j);
    std::exchange(j->listed, nullptr)->remove(j);
    j->begun = nullptr;
    j->external.reset();
    const asio::any_io_executor base = std::move(j->base);
    asio::post(base, [h = std::exchange(j->complete, nullptr), executor = std::move(j->executor),
                      o = std::move(o)]() mutable {
        asio::dispatch(executor, asio::append(std::move(h), std::move(o)));
    });
}

void look_up_pool::start(const asio::any_io_executor& executor, std::shared_ptr<job> j, handler h) {
    j->base = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    j->executor =
        asio::prefer(asio::any_completion_executor(asio::get_associated_executor(h, executor)),
                     asio::execution::outstanding_work.tracked);
    j->external = external_work(context_info::of(executor));
    auto slot = asio::get_associated_cancellation_slot(h);
    auto& here = asio::use_service<context_jobs>(
        static_cast<asio::execution_context&>(asio::query(executor, asio::execution::context)));
    if (slot.is_connected()) {
        slot.assign([self = shared_from_this(), weak = std::weak_ptr(j)](asio::cancellation_type) {
            const auto waiting = weak.lock();
            if (!waiting) return;
            const std::lock_guard lock(self->mutex_);
            self->finish(waiting, std::nullopt);
        });
    }
    here.add(j);
    const std::lock_guard lock(mutex_);
    j->complete = std::move(h);
    j->listed = &here;
    if (busy_ + queue_.size() >= options.threads + options.queue) {
        finish(j, result<answer>(too_many(j->name, "too many names are being looked up")));
        return;
    }
    queue_.push_back(j);
    // A thread that finds the queue empty ends, so those there are have work.
    if (threads_ >= options.threads) return;
    try {
        // Nobody can wait for a look-up that hangs; it owns all that it touches.
        std::thread([self = shared_from_this()] { self->work(); }).detach();
        ++threads_;
    } catch (...) {
        if (threads_ > 0) return;  // it will be their turn to look
        finish(j, result<answer>(too_many(j->name, "no thread can be had to look the name up")));
    }
}

void look_up_pool::work() {
    std::unique_lock lock(mutex_);
    while (!queue_.empty()) {
        const auto j = std::move(queue_.front());
        queue_.pop_front();
        if (j->begun) *j->begun = true;
        ++busy_;
        lock.unlock();
        outcome found;
        try {
            found.emplace(options.look_up(j->name, j->family));
        } catch (...) {
            found.emplace(failure::from(std::current_exception()));
        }
        lock.lock();
        --busy_;
        finish(j, std::move(found));
    }
    --threads_;
}

awaitable<answer> look_up_pool::look_up(net::resolve_request what, bool* begun) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto self = shared_from_this();
    auto j = std::make_shared<job>();
    j->name = what.name;
    j->family = what.family;
    j->pool = self;
    j->begun = begun;
    auto initiate = [self, executor, j](auto h) {
        self->start(executor, j, handler(std::move(h)));
    };
    outcome got = co_await asio::async_initiate<decltype(asio::deferred), void(outcome)>(
        std::move(initiate), asio::deferred);
    if (!got) throw boost::system::system_error(asio::error::operation_aborted);
    co_return std::move(*got).value();
}

}  // namespace weft::dns::detail
