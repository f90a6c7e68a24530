// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "resolver_pool.hpp"

#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>

#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>

namespace weft::net::detail {

namespace asio = boost::asio;
using boost::system::error_code;

asio::execution_context::id resolver_pool::id;

namespace {

constexpr std::size_t max_threads = 8;

error_code look_up(const std::string& host, resolver_pool::addresses& found) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    switch (error) {
        case 0:
            break;
        case EAI_SYSTEM:
            return {errno, boost::system::system_category()};
        case EAI_AGAIN:
            return asio::error::host_not_found_try_again;
        case EAI_FAIL:
            return asio::error::no_recovery;
        case EAI_MEMORY:
            return asio::error::no_memory;
        default:
            return asio::error::host_not_found;
    }
    for (const addrinfo* a = list; a; a = a->ai_next) {
        asio::ip::tcp::endpoint e;
        if (a->ai_addrlen > e.capacity()) continue;
        std::memcpy(e.data(), a->ai_addr, a->ai_addrlen);
        e.resize(a->ai_addrlen);
        found.push_back(e.address());
    }
    ::freeaddrinfo(list);
    return found.empty() ? error_code(asio::error::host_not_found) : error_code();
}

}  // namespace

struct resolver_pool::shared {
    /// One name, and who waits for it. The handler is taken once, by whoever is first: answer,
    /// cancellation, shutdown.
    struct job {
        std::string host;
        handler complete;
        asio::any_io_executor base;              // kept at work too
        asio::any_completion_executor executor;  // the handler's, kept at work
        external_work external;
    };

    std::mutex mutex;
    std::deque<std::shared_ptr<job>> queue;
    std::vector<std::shared_ptr<job>> waiting;  // all whose handler has not been taken
    std::size_t threads = 0;

    /// With the lock held: so shutdown, which takes the lock too, cannot end the context in
    /// between.
    void finish(const std::shared_ptr<job>& j, error_code ec, addresses found) {
        if (std::erase(waiting, j) == 0) return;
        std::erase(queue, j);
        j->external.reset();
        asio::any_io_executor base = std::move(j->base);
        asio::post(base, [h = std::move(j->complete), executor = std::move(j->executor), ec,
                          found = std::move(found)]() mutable {
            asio::dispatch(executor, asio::append(std::move(h), ec, std::move(found)));
        });
    }

    static void work(const std::shared_ptr<shared>& self) {
        std::unique_lock lock(self->mutex);
        while (!self->queue.empty()) {
            auto j = self->queue.front();
            self->queue.pop_front();
            const std::string host = j->host;
            lock.unlock();
            addresses found;
            const error_code ec = look_up(host, found);
            lock.lock();
            self->finish(j, ec, std::move(found));
        }
        --self->threads;
    }
};

resolver_pool::resolver_pool(asio::execution_context& context)
    : service(context), shared_(std::make_shared<shared>()) {}

resolver_pool::~resolver_pool() = default;

void resolver_pool::resolve(const asio::any_io_executor& executor, std::string host, handler h) {
    auto j = std::make_shared<shared::job>();
    j->host = std::move(host);
    j->base = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    j->executor =
        asio::prefer(asio::any_completion_executor(asio::get_associated_executor(h, executor)),
                     asio::execution::outstanding_work.tracked);
    j->external = external_work(context_info::of(executor));
    auto slot = asio::get_associated_cancellation_slot(h);
    j->complete = std::move(h);
    if (slot.is_connected()) {
        slot.assign(
            [shared = std::weak_ptr(shared_), weak = std::weak_ptr(j)](asio::cancellation_type) {
                auto s = shared.lock();
                auto waiting = weak.lock();
                if (!s || !waiting) return;
                std::lock_guard lock(s->mutex);
                s->finish(waiting, asio::error::operation_aborted, {});
            });
    }
    std::lock_guard lock(shared_->mutex);
    shared_->waiting.push_back(j);
    shared_->queue.push_back(std::move(j));
    // A thread that finds the queue empty ends, so those there are have work.
    if (shared_->threads == max_threads) return;
    try {
        std::thread([s = shared_] { shared::work(s); }).detach();
        ++shared_->threads;
    } catch (...) {
        if (shared_->threads > 0) return;  // it will be their turn to look
        shared_->waiting.pop_back();
        shared_->queue.pop_back();
        throw;
    }
}

void resolver_pool::shutdown() {
    std::vector<std::shared_ptr<shared::job>> waiting;
    {
        std::lock_guard lock(shared_->mutex);
        waiting.swap(shared_->waiting);
        shared_->queue.clear();
        for (auto& j : waiting) {
            j->external.reset();
            j->executor = asio::any_completion_executor();
            j->base = asio::any_io_executor();
        }
    }
    // Destroyed here, uncalled; a thread that still holds a job holds an empty one.
    for (auto& j : waiting) j->complete = nullptr;
}

awaitable<resolver_pool::addresses> resolve(std::string host) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto& pool = asio::use_service<resolver_pool>(
        static_cast<asio::execution_context&>(asio::query(executor, asio::execution::context)));
    constexpr auto as_result = asio::as_tuple(asio::deferred);
    auto initiate = [&pool, executor, host](auto h) {
        pool.resolve(executor, host, resolver_pool::handler(std::move(h)));
    };
    auto [ec, found] = co_await asio::async_initiate<decltype(as_result),
                                                     void(error_code, resolver_pool::addresses)>(
        std::move(initiate), as_result);
    if (ec) throw failure::from(ec, "cannot resolve the host's name");
    co_return std::move(found);
}

}  // namespace weft::net::detail
