// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_client.hpp"
#include "h2_client.hpp"
#include "negotiated.hpp"
#include "url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/connection.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/semaphore.hpp>
#include <weft/tls/alpn.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

namespace weft::http {

namespace asio = boost::asio;

/// A connection that is used by itself: what it cannot take yet waits for its turn.
struct connection::state {
    state(io::stream s, client_options o)
        : options(std::make_shared<const client_options>(std::move(o))),
          driver(detail::make_client_connection(std::move(s), options)),
          multiplexed(driver->version() == version::http_2),
          turn(1) {}
    ~state() {
        // Not from inside of what may be running just now.
        asio::post(driver->get_executor(), [d = driver] {
            d->on_change = nullptr;
            d->drain();
        });
    }

    const std::shared_ptr<const client_options> options;
    std::shared_ptr<detail::client_connection> driver;
    const bool multiplexed;
    semaphore turn;             // of HTTP/1: one exchange at a time
    semaphore::permit current;  // of the exchange that is under way
    event room;                 // of HTTP/2: another stream may be opened, perhaps
};

namespace {

failure not_spoken(const char* why) {
    return failure(failure_kind::protocol, why)
        .in(failure_domain::protocol)
        .delivered(delivery::not_sent);
}

}  // namespace

std::shared_ptr<detail::client_connection> detail::make_client_connection(
    io::stream s, const std::shared_ptr<const client_options>& options) {
    const bool secure = is_secure(s.extensions());
    const bool agreed = negotiated_protocol(s.extensions()) == tls::alpn::h2;
    // RFC 9113 3.3: over TLS it is what ALPN agreed on, and nothing else.
    if (secure && options->protocol == protocol::http_1_1 && agreed)
        throw not_spoken("ALPN agreed on HTTP/2, which the client is not to speak");
    if (secure && options->protocol == protocol::http_2 && !agreed)
        throw not_spoken("ALPN did not agree on HTTP/2, and the client is to speak nothing else");
    if (!agreed && options->protocol != protocol::http_2)
        return std::make_shared<h1_client_connection>(std::move(s), options);
    auto h2 = std::make_shared<h2_client_connection>(std::move(s), *options);
    asio::dispatch(h2->get_executor(), [h2] { h2->begin(); });
    return h2;
}

namespace {

awaitable<void> check_cancelled() {
    const auto own = co_await asio::this_coro::cancellation_state;
    if (own.cancelled() != asio::cancellation_type::none)
        throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                      "the exchange was cancelled")
            .delivered(delivery::not_sent);
}

/// On the connection's executor.
awaitable<response> exchange_alone(std::shared_ptr<connection::state> s, semaphore::permit mine,
                                   http::request r) {
    co_await check_cancelled();
    s->current = std::move(mine);  // until on_change
    co_return co_await s->driver->exchange(&r);
}

awaitable<response> exchange_among_others(std::shared_ptr<connection::state> s, http::request r) {
    while (s->driver->available() == 0 && s->driver->usable()) {
        s->room.reset();
        co_await s->room.wait();
    }
    co_await check_cancelled();
    co_return co_await s->driver->exchange(&r);
}

}  // namespace

awaitable<response> connection::serve(http::request r) const {
    auto state = state_;
    const detail::destination to = detail::destination_of(r);
    detail::prepare(r, to, state->options->user_agent);
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    const asio::any_io_executor there = state->driver->get_executor();
    awaitable<response> exchange;
    if (state->multiplexed) {
        exchange = exchange_among_others(state, std::move(r));
    } else {
        semaphore::permit turn = co_await state->turn.acquire();
        exchange = exchange_alone(state, std::move(turn), std::move(r));
    }
    if (here == there) co_return co_await std::move(exchange);
    co_return co_await run_on(there, std::move(exchange));
}

bool connection::is_open() const noexcept { return state_->driver->usable(); }

void connection::close() const {
    asio::dispatch(state_->driver->get_executor(), [d = state_->driver] { d->close(); });
}

awaitable<connection> connect(io::stream stream, client_options options) {
    auto made = std::make_shared<connection::state>(std::move(stream), std::move(options));
    made->driver->on_change = [weak = std::weak_ptr(made)](detail::client_connection& c) {
        if (auto alive = weak.lock()) {
            alive->current.release();
            alive->room.set();
        } else {
            c.close();
        }
    };
    co_return connection(std::move(made));
}

}  // namespace weft::http
