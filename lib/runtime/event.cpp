// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/event.hpp>

#include <boost/asio/this_coro.hpp>

namespace weft {

struct event::waiting_for_it final : detail::waiter {
    waiting_for_it(event& e, boost::asio::any_io_executor executor, std::source_location where)
        : waiter(e, e.waiting_, std::move(executor), "event::wait", where), of(e) {}

    bool attempt(detail::wait_list&) noexcept override {
        if (!of.is_set()) return false;
        result = outcome::granted;
        return true;
    }

    event& of;
};

awaitable<void> event::wait(std::source_location where) {
    if (is_set()) co_return;
    auto executor = co_await boost::asio::this_coro::executor;
    waiting_for_it w(*this, std::move(executor), where);
    detail::suspend_into<detail::waiter> op{&w};
    co_await std::move(op);
    w.check();
}

void event::set() {
    detail::wait_list ready;
    {
        const std::lock_guard lock(monitor);
        if (is_set()) return;
        set_.store(true, std::memory_order_release);
        waiting_.finish_all(detail::waiter::outcome::granted, ready);
    }
    ready.resume_all();
}

void event::reset() {
    const std::lock_guard lock(monitor);
    set_.store(false, std::memory_order_release);
}

std::size_t event::waiting() const {
    const std::lock_guard lock(monitor);
    return waiting_.size();
}

}  // namespace weft
