// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_client.hpp"
#include "url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/connection.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/semaphore.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

namespace weft::http {

namespace asio = boost::asio;

/// A connection that is used by itself: its exchanges wait for each other.
struct connection::state {
    state(io::stream s, client_options o)
        : options(std::move(o)),
          driver(std::make_shared<detail::h1_client_connection>(std::move(s), options)),
          turn(1) {}
    ~state() {
        // Not from inside of what may be running just now.
        asio::post(driver->get_executor(), [d = driver] {
            d->on_change = nullptr;
            d->drain();
        });
    }

    const client_options options;
    std::shared_ptr<detail::client_connection> driver;
    semaphore turn;
    semaphore::permit current;  // of the exchange that is under way
};

awaitable<response> connection::serve(http::request r) const {
    auto state = state_;
    const detail::destination to = detail::destination_of(r);
    detail::prepare(r, to, state->options.user_agent);
    semaphore::permit turn = co_await state->turn.acquire();
    auto exchange = [](std::shared_ptr<connection::state> s, semaphore::permit mine,
                       http::request q) -> awaitable<response> {
        const auto own = co_await asio::this_coro::cancellation_state;
        if (own.cancelled() != asio::cancellation_type::none)
            throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                          "the exchange was cancelled")
                .delivered(delivery::not_sent);
        s->current = std::move(mine);  // until on_change
        co_return co_await s->driver->exchange(std::move(q));
    };
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    const asio::any_io_executor there = state->driver->get_executor();
    if (here == there) co_return co_await exchange(state, std::move(turn), std::move(r));
    co_return co_await run_on(there, exchange(state, std::move(turn), std::move(r)));
}

bool connection::is_open() const noexcept { return state_->driver->usable(); }

void connection::close() const {
    asio::dispatch(state_->driver->get_executor(), [d = state_->driver] { d->close(); });
}

awaitable<connection> connect(io::stream stream, client_options options) {
    auto made = std::make_shared<connection::state>(std::move(stream), std::move(options));
    made->driver->on_change = [weak = std::weak_ptr(made)](detail::client_connection& c) {
        if (auto alive = weak.lock())
            alive->current.release();
        else
            c.close();
    };
    co_return connection(std::move(made));
}

}  // namespace weft::http
