// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "look_up_pool.hpp"

#include "failures.hpp"
#include "names.hpp"
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

/// Somebody who asked. All is guarded by the pool's lock.
struct look_up_pool::waiter {
    std::shared_ptr<look_up_pool> pool;
    bool* begun = nullptr;  ///< in the frame of who waits; null when nobody does
    std::shared_ptr<look_up> waits_for;

    handler complete;  ///< taken once, by whoever is first
    asio::any_io_executor base;
    asio::any_completion_executor executor;
    external_work external;
    waiters_of_context* listed = nullptr;
};

/// A name and a family. The rest is guarded by the pool's lock.
struct look_up_pool::look_up {
    explicit look_up(key k) : about(std::move(k)) {}
    const key about;
    bool running = false;
    std::vector<std::shared_ptr<waiter>> waiting;
};

/// Those of one execution context who wait: when it ends they are dropped, and a thread that comes
/// back later finds nobody to tell.
class look_up_pool::waiters_of_context final : public asio::execution_context::service {
  public:
    using key_type = waiters_of_context;
    static asio::execution_context::id id;

    explicit waiters_of_context(asio::execution_context& context) : service(context) {}

    void add(const std::shared_ptr<waiter>& w) {
        const std::lock_guard lock(mutex_);
        waiters_.push_back(w);
    }
    void remove(const std::shared_ptr<waiter>& w) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase(waiters_, w);
    }

  private:
    void shutdown() override {
        for (;;) {
            std::shared_ptr<waiter> w;
            {
                const std::lock_guard lock(mutex_);
                if (waiters_.empty()) return;
                w = std::move(waiters_.back());
                waiters_.pop_back();
            }
            w->pool->drop(w);
        }
    }

    std::mutex mutex_;
    std::vector<std::shared_ptr<waiter>> waiters_;
};

asio::execution_context::id look_up_pool::waiters_of_context::id;

/// With the lock held. A look-up that no thread has taken is not made when nobody waits for it; one
/// that runs stays there, for whoever asks next.
void look_up_pool::leave(waiter& w) {
    w.begun = nullptr;
    const auto from = std::exchange(w.waits_for, nullptr);
    if (!from) return;
    std::erase_if(from->waiting, [&](const auto& one) { return one.get() == &w; });
    if (from->running || !from->waiting.empty()) return;
    std::erase(queue_, from);
    asked_.erase(from->about);
}

/// The context ends: the handler, and the coroutine in it, is destroyed here.
void look_up_pool::drop(const std::shared_ptr<waiter>& w) {
    handler gone;
    {
        const std::lock_guard lock(mutex_);
        gone = std::move(w->complete);
        w->complete = nullptr;
        w->listed = nullptr;
        w->external.reset();
        w->executor = asio::any_completion_executor();
        w->base = asio::any_io_executor();
        leave(*w);
    }
}

/// With the lock held. The context cannot end before this has let go of it: as long as the waiter
/// is on its list, it waits for the lock.
void look_up_pool::finish(const std::shared_ptr<waiter>& w, outcome o) {
    if (!w->complete) return;
    leave(*w);
    w->external.reset();
    {
        const asio::any_io_executor base = std::move(w->base);
        asio::post(base, [h = std::exchange(w->complete, nullptr),
                          executor = std::move(w->executor), o = std::move(o)]() mutable {
            asio::dispatch(executor, asio::append(std::move(h), std::move(o)));
        });
    }
    std::exchange(w->listed, nullptr)->remove(w);
}

/// With the lock held.
void look_up_pool::join(const std::shared_ptr<waiter>& w, key k) {
    const auto there = asked_.find(k);
    if (there == asked_.end() && busy_ + queue_.size() >= options.threads + options.queue) {
        finish(w, result<answer>(too_many(k.first, "too many names are being looked up")));
        return;
    }
    const auto l = there != asked_.end() ? there->second : std::make_shared<look_up>(std::move(k));
    l->waiting.push_back(w);
    w->waits_for = l;
    if (there != asked_.end()) {
        if (l->running && w->begun) *w->begun = true;
        return;
    }
    asked_.emplace(l->about, l);
    queue_.push_back(l);
    // A thread that finds the queue empty ends, so those there are have work.
    if (threads_ >= options.threads) return;
    try {
        // Nobody can wait for a look-up that hangs; it owns all that it touches.
        std::thread([self = shared_from_this()] { self->work(); }).detach();
        ++threads_;
    } catch (...) {
        if (threads_ > 0) return;  // it will be their turn to look
        finish(w, result<answer>(
                      too_many(l->about.first, "no thread can be had to look the name up")));
    }
}

void look_up_pool::start(const asio::any_io_executor& executor, key k,
                         const std::shared_ptr<waiter>& w, handler h) {
    w->base = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    w->executor =
        asio::prefer(asio::any_completion_executor(asio::get_associated_executor(h, executor)),
                     asio::execution::outstanding_work.tracked);
    w->external = external_work(context_info::of(executor));
    auto slot = asio::get_associated_cancellation_slot(h);
    auto& here = asio::use_service<waiters_of_context>(
        static_cast<asio::execution_context&>(asio::query(executor, asio::execution::context)));
    if (slot.is_connected()) {
        slot.assign([self = shared_from_this(), weak = std::weak_ptr(w)](asio::cancellation_type) {
            const auto waiting = weak.lock();
            if (!waiting) return;
            const std::lock_guard lock(self->mutex_);
            self->finish(waiting, std::nullopt);
        });
    }
    here.add(w);
    const std::lock_guard lock(mutex_);
    w->complete = std::move(h);
    w->listed = &here;
    join(w, std::move(k));
}

void look_up_pool::work() {
    std::unique_lock lock(mutex_);
    while (!queue_.empty()) {
        const auto l = std::move(queue_.front());
        queue_.pop_front();
        l->running = true;
        for (const auto& w : l->waiting)
            if (w->begun) *w->begun = true;
        ++busy_;
        lock.unlock();
        std::optional<result<answer>> found;
        try {
            found.emplace(options.look_up(l->about.first, l->about.second));
        } catch (...) {
            found.emplace(failure::from(std::current_exception()));
        }
        lock.lock();
        --busy_;
        asked_.erase(l->about);
        for (const auto& w : std::exchange(l->waiting, {})) finish(w, found);
    }
    --threads_;
}

awaitable<answer> look_up_pool::ask(net::resolve_request what, bool* begun) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto self = shared_from_this();
    auto w = std::make_shared<waiter>();
    w->pool = self;
    w->begun = begun;
    auto initiate = [self, executor, w, k = key(lower_case(what.name), what.family)](auto h) {
        self->start(executor, k, w, handler(std::move(h)));
    };
    outcome got = co_await asio::async_initiate<decltype(asio::deferred), void(outcome)>(
        std::move(initiate), asio::deferred);
    if (!got) throw boost::system::system_error(asio::error::operation_aborted);
    co_return std::move(*got).value();
}

}  // namespace weft::dns::detail
