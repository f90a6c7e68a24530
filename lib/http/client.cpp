// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_client.hpp"
#include "url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/layer/phase.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace weft::http {

namespace asio = boost::asio;
using connection_ptr = std::shared_ptr<detail::client_connection>;

namespace {

/// Where a connection may be used again: same server, same execution context.
struct place {
    std::string host;
    std::uint16_t port;
    const asio::execution_context* context;
    friend auto operator<=>(const place& a, const place& b) noexcept {
        if (auto order = a.host <=> b.host; order != 0) return order;
        if (auto order = a.port <=> b.port; order != 0) return order;
        return std::compare_three_way()(a.context, b.context);
    }
};

const asio::execution_context* context_of(const asio::any_io_executor& executor) {
    return &asio::query(executor, asio::execution::context);
}

}  // namespace

/// What all copies of a client share: its stack and its idle connections.
struct client::state : std::enable_shared_from_this<client::state> {
    state(client_options o) : options(std::move(o)) {}
    ~state() { close_idle(); }

    const client_options options;
    net::connector connector;
    any_service<http::request, response> transport;

    std::mutex mutex;
    bool closed = false;
    std::map<place, std::vector<connection_ptr>> idle;

    awaitable<response> serve(http::request r);
    static awaitable<std::optional<response>> try_exchange(connection_ptr use, http::request* r);
    awaitable<connection_ptr> open(const detail::destination& to, asio::any_io_executor home);
    connection_ptr take(const place& at);
    void give_back(const place& at, const connection_ptr& c);
    void forget(const place& at, const detail::client_connection& c);
    void close_idle();
};

connection_ptr client::state::take(const place& at) {
    const std::lock_guard lock(mutex);
    auto found = idle.find(at);
    if (found == idle.end()) return nullptr;
    connection_ptr newest = std::move(found->second.back());
    found->second.pop_back();
    if (found->second.empty()) idle.erase(found);
    return newest;
}

void client::state::give_back(const place& at, const connection_ptr& c) {
    {
        const std::lock_guard lock(mutex);
        auto& there = idle[at];
        if (!closed && there.size() < options.max_idle_per_host) {
            c->start_idling();
            if (c->available() > 0) there.push_back(c);
            if (there.empty()) idle.erase(at);
            return;
        }
        if (there.empty()) idle.erase(at);
    }
    c->close();
}

void client::state::forget(const place& at, const detail::client_connection& c) {
    const std::lock_guard lock(mutex);
    auto found = idle.find(at);
    if (found == idle.end()) return;
    std::erase_if(found->second, [&](const connection_ptr& p) { return p.get() == &c; });
    if (found->second.empty()) idle.erase(found);
}

void client::state::close_idle() {
    std::map<place, std::vector<connection_ptr>> all;
    {
        const std::lock_guard lock(mutex);
        all.swap(idle);
    }
    for (auto& [at, connections] : all)
        for (auto& c : connections) {
            auto executor = c->get_executor();
            // Not from inside of what may be running just now.
            asio::post(executor, [c = std::move(c)] {
                c->on_change = nullptr;
                c->close();
            });
        }
}

awaitable<connection_ptr> client::state::open(const detail::destination& to,
                                              asio::any_io_executor home) {
    net::connect_request wanted(to.host, to.port);
    wanted.scheme = to.scheme;
    asio::any_io_executor lane = serialized(home);
    std::exception_ptr thrown;
    io::stream stream;
    try {
        if (lane == home)
            stream =
                co_await with_deadline(options.connect_timeout, connector.serve(std::move(wanted)));
        else
            stream = co_await run_on(
                lane, with_deadline(options.connect_timeout, connector.serve(std::move(wanted))));
    } catch (...) {
        thrown = std::current_exception();
    }
    if (thrown) {
        const failure cause = failure::from(std::move(thrown));
        if (cause.kind() == failure_kind::cancelled)
            throw failure(cause).delivered(delivery::not_sent);
        throw failure(cause.kind(), cause.code(), "cannot connect to " + to.authority)
            .in(cause.domain())
            .delivered(delivery::not_sent)
            .because(cause);
    }
    auto made = std::make_shared<detail::h1_client_connection>(std::move(stream), options);
    const place at{to.host, to.port, context_of(home)};
    made->on_change = [weak = weak_from_this(), at,
                       one = std::weak_ptr(made)](detail::client_connection& c) {
        auto self = weak.lock();
        if (!self) {
            c.close();
        } else if (c.available() > 0) {
            self->give_back(at, one.lock());
        } else {
            self->forget(at, c);
        }
    };
    co_return made;
}

/// On a kept connection; nothing when it turns out not to be good any more, and then `*r` is
/// untouched.
awaitable<std::optional<response>> client::state::try_exchange(connection_ptr use,
                                                               http::request* r) {
    if (use->available() == 0) {
        use->close();
        co_return std::nullopt;
    }
    std::optional<response> answer = co_await use->exchange(std::move(*r));
    co_return answer;
}

awaitable<response> client::state::serve(http::request r) {
    const detail::destination to = detail::destination_of(r);
    detail::prepare(r, to, options.user_agent);
    if (transport) co_return co_await transport.serve(std::move(r));
    if (to.scheme == "https")
        throw failure(failure_kind::invalid_input,
                      "this client speaks no TLS yet; use http, or a connector of your own")
            .with("host", to.host);
    const asio::any_io_executor home = co_await asio::this_coro::executor;
    const place at{to.host, to.port, context_of(home)};
    while (connection_ptr kept = take(at)) {
        // Whether it is still good can be told on its own executor only.
        const asio::any_io_executor lane = kept->get_executor();
        std::optional<response> answer;
        if (lane == home)
            answer = co_await try_exchange(std::move(kept), &r);
        else
            answer = co_await run_on(lane, try_exchange(std::move(kept), &r));
        if (answer) co_return std::move(*answer);
    }
    // What a slow call is told with (log_slow); a kept connection has nothing to tell.
    phase_timer connecting(r.extensions(), context_info::of(home).clock(), "connect");
    connection_ptr use = co_await open(to, home);
    connecting.end();
    if (use->get_executor() == home) co_return co_await use->exchange(std::move(r));
    const asio::any_io_executor lane = use->get_executor();
    co_return co_await run_on(lane, use->exchange(std::move(r)));
}

client::client(client_options options)
    : client(net::connector(net::tcp::connector()), std::move(options)) {}

client::client(net::connector connector, client_options options)
    : state_(std::make_shared<state>(std::move(options))) {
    state_->connector = std::move(connector);
}

client::client(any_service<http::request, response> transport, client_options options)
    : state_(std::make_shared<state>(std::move(options))) {
    state_->transport = std::move(transport);
}

awaitable<response> client::serve(http::request r) const {
    auto state = state_;
    co_return co_await state->serve(std::move(r));
}

awaitable<void> client::close() const {
    auto state = state_;
    {
        const std::lock_guard lock(state->mutex);
        state->closed = true;
    }
    state->close_idle();
    co_return;
}

request_builder client::request(const method& m, std::string_view url) const {
    return {state_, m, url};
}
request_builder client::get(std::string_view url) const { return request(method::get, url); }
request_builder client::head(std::string_view url) const { return request(method::head, url); }
request_builder client::post(std::string_view url) const { return request(method::post, url); }
request_builder client::put(std::string_view url) const { return request(method::put, url); }
request_builder client::patch(std::string_view url) const { return request(method::patch, url); }
request_builder client::delete_(std::string_view url) const {
    return request(method::delete_, url);
}

}  // namespace weft::http
