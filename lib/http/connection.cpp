// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/connection.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/semaphore.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

#include "h1_client.hpp"
#include "url.hpp"

namespace weft::http {

namespace asio = boost::asio;

/// A connection that is used by itself: its exchanges wait for each other.
struct connection::state {
    state(io::stream s, client_options o)
        : options(std::move(o)),
          driver(std::make_shared<detail::h1_client_connection>(std::move(s), options)),
          turn(1) {}
    ~state() {
        asio::dispatch(driver->get_executor(), [d = driver] {
            d->on_free = nullptr;
            if (d->idle()) d->close();
        });
    }

    const client_options options;
    std::shared_ptr<detail::h1_client_connection> driver;
    semaphore turn;
};

awaitable<response> connection::serve(http::request r) const {
    auto state = state_;
    const detail::destination to = detail::destination_of(r);
    detail::prepare(r, to, state->options.user_agent);
    co_await state->turn.acquire();
    auto exchange = [](std::shared_ptr<connection::state> s, http::request q) -> awaitable<response> {
        s->driver->on_free = [weak = std::weak_ptr(s)](detail::h1_client_connection& c) {
            if (auto alive = weak.lock())
                alive->turn.release();
            else
                c.close();
        };
        if (!s->driver->idle()) {
            s->turn.release();
            throw failure(failure_kind::unavailable, "the connection is closed").delivered(delivery::not_sent);
        }
        co_return co_await s->driver->exchange(std::move(q));
    };
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    const asio::any_io_executor there = state->driver->get_executor();
    if (here == there) co_return co_await exchange(state, std::move(r));
    co_return co_await run_on(there, exchange(state, std::move(r)));
}

bool connection::is_open() const noexcept { return !state_->driver->input_end() && !state_->driver->output_end(); }

void connection::close() const {
    asio::dispatch(state_->driver->get_executor(), [d = state_->driver] { d->close(); });
}

awaitable<connection> connect(io::stream stream, client_options options) {
    co_return connection(std::make_shared<connection::state>(std::move(stream), std::move(options)));
}

}  // namespace weft::http
