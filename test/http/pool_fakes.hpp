// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Connections that carry many exchanges at once, without a protocol: what a pool sees of HTTP/2.

#include "../../lib/http/client_connection.hpp"
#include "peers.hpp"
#include <weft/http/pool.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/post.hpp>

#include <memory>
#include <vector>

namespace pools {

using namespace peers;

/// Where fake connections go, and how they behave.
struct fake_origin {
    std::size_t streams = 1000;  ///< the peer's limit
    http::version speaks = http::version::http_2;
    clock::duration connecting = 10ms;
    clock::duration answering = 10ms;
    std::function<void(const net::connect_request&)> on_connect;
    std::function<void(class fake_connection&)> on_answered;  ///< the pool has been told
    std::size_t opened = 0;
    std::size_t alive = 0;
    std::size_t most_at_once = 0;     ///< exchanges on one connection
    std::vector<std::string> served;  ///< targets, in order
    std::vector<class fake_connection*> connections;
};

class fake_connection final : public http::detail::client_connection,
                              public std::enable_shared_from_this<fake_connection> {
  public:
    fake_connection(asio::any_io_executor executor, std::shared_ptr<fake_origin> origin)
        : executor_(std::move(executor)), origin_(std::move(origin)) {
        ++origin_->alive;
        origin_->connections.push_back(this);
    }
    ~fake_connection() override {
        --origin_->alive;
        std::erase(origin_->connections, this);
    }

    asio::any_io_executor get_executor() const override { return executor_; }
    http::version version() const noexcept override { return origin_->speaks; }
    awaitable<http::response> exchange(http::request* r) override {
        const auto keep = shared_from_this();
        ++busy_;
        origin_->most_at_once = std::max(origin_->most_at_once, busy_);
        origin_->served.emplace_back(r->target());
        std::exception_ptr thrown;
        try {
            co_await sleep_for(origin_->answering);
        } catch (...) {
            thrown = std::current_exception();
        }
        --busy_;
        if (fails) thrown = std::make_exception_ptr(failure(*fails));
        if (closed_ && !thrown)
            thrown = std::make_exception_ptr(
                failure(failure_kind::unavailable, "cut off").in(failure_domain::transport));
        if (on_change) on_change(*this);
        if (origin_->on_answered) origin_->on_answered(*this);
        if (thrown) std::rethrow_exception(thrown);
        http::response answer = http::text("fake");
        co_return answer;
    }
    std::size_t available() override {
        return usable() ? origin_->streams - std::min(origin_->streams, busy_) : 0;
    }
    std::size_t exchanges() const noexcept override { return busy_; }
    bool usable() const noexcept override { return !closed_ && !draining_; }
    void start_idling() override { ++idled; }
    void drain() override { draining_ = true; }
    void close() override { closed_ = true; }

    /// The peer says so.
    void go_away() {
        draining_ = true;
        if (on_change) on_change(*this);
    }
    void broke() {
        closed_ = true;
        if (on_change) on_change(*this);
    }

    /// The peer has gone, and nobody has looked yet.
    void vanish() { closed_ = true; }

    int idled = 0;
    std::optional<failure> fails;  ///< what exchanges end with

  private:
    asio::any_io_executor executor_;
    std::shared_ptr<fake_origin> origin_;
    std::size_t busy_ = 0;
    bool closed_ = false;
    bool draining_ = false;
};

inline http::connection_opener opener(std::shared_ptr<fake_origin> origin) {
    return http::connection_opener(
        [origin](net::connect_request to) -> awaitable<http::pooled_connection> {
            ++origin->opened;
            co_await sleep_for(origin->connecting);
            if (origin->on_connect) origin->on_connect(to);
            const auto executor = co_await asio::this_coro::executor;
            http::pooled_connection made = std::make_shared<fake_connection>(executor, origin);
            co_return made;
        });
}

inline awaitable<http::response> ask(http::pool pool, std::string url) {
    co_return co_await pool.serve(http::request(http::method::get, url));
}

/// Asks, reads, and drops.
inline awaitable<void> fetch(http::pool pool, std::string url) {
    http::response r = co_await ask(pool, url);
    co_await r.body().discard();
}

}  // namespace pools
