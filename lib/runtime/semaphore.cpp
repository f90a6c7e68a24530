// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/mutex.hpp>
#include <weft/runtime/semaphore.hpp>

#include <boost/asio/this_coro.hpp>

namespace weft {

struct semaphore::acquiring final : detail::waiter {
    acquiring(semaphore& s, std::size_t n, boost::asio::any_io_executor executor,
              std::source_location where)
        : waiter(s, s.waiting_, std::move(executor), "semaphore::acquire", where),
          of(s),
          count(n) {}

    bool attempt(detail::wait_list&) noexcept override {
        if (!of.take(count)) return false;
        result = outcome::granted;
        return true;
    }

    semaphore& of;
    std::size_t count;
};

bool semaphore::take(std::size_t count) noexcept {
    if (!waiting_.empty() || available_ < count) return false;
    available_ -= count;
    return true;
}

void semaphore::grant(detail::wait_list& ready) noexcept {
    while (!waiting_.empty()) {
        const std::size_t count = static_cast<acquiring*>(waiting_.first())->count;
        if (available_ < count) return;
        available_ -= count;
        waiting_.finish_first(detail::waiter::outcome::granted, ready);
    }
}

awaitable<semaphore::permit> semaphore::acquire(std::size_t count, std::source_location where) {
    {
        const std::lock_guard lock(monitor);
        if (take(count)) co_return permit(this, count);
    }
    auto executor = co_await boost::asio::this_coro::executor;
    acquiring w(*this, count, std::move(executor), where);
    detail::suspend_into<detail::waiter> op{&w};
    co_await std::move(op);
    w.check();
    co_return permit(this, count);
}

std::optional<semaphore::permit> semaphore::try_acquire(std::size_t count) {
    const std::lock_guard lock(monitor);
    if (!take(count)) return std::nullopt;
    return permit(this, count);
}

void semaphore::release(std::size_t count) {
    detail::wait_list ready;
    {
        const std::lock_guard lock(monitor);
        available_ += count;
        grant(ready);
    }
    ready.resume_all();
}

std::size_t semaphore::available() const {
    const std::lock_guard lock(monitor);
    return available_;
}

std::size_t semaphore::waiting() const {
    const std::lock_guard lock(monitor);
    return waiting_.size();
}

awaitable<mutex::guard> mutex::lock(std::source_location where) { return turns_.acquire(1, where); }

}  // namespace weft
