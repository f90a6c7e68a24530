// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "resolver_pool.hpp"
#include "set_options.hpp"
#include "socket.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/file_descriptor.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace weft::net::tcp {

namespace asio = boost::asio;
using io::error_code;

namespace {

/// One address. The options outlive it.
awaitable<file_descriptor> connect_one(endpoint address, const connect_options* options) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const external_work working(context_info::of(executor));
    asio::ip::tcp::socket socket(executor);
    error_code ec;
    socket.open(address.protocol(), ec);
    if (!ec) {
        net::detail::set_options(socket.native_handle(), options->socket,
                                 net::detail::socket_role::connector);
        if (options->local) {
            const int one = 1;
            ::setsockopt(socket.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                         sizeof one);
            socket.bind(*options->local, ec);
            if (ec)
                throw failure::from(ec, "cannot bind to the local address")
                    .with("local", to_string(*options->local))
                    .with("address", to_string(address));
        }
    }
    if (!ec) {
        auto [result] = co_await socket.async_connect(address, asio::as_tuple(asio::deferred));
        ec = result;
    }
    if (ec) throw failure::from(ec, "cannot connect").with("address", to_string(address));
    co_return file_descriptor(socket.release());
}

/// What went wrong, with what was asked.
failure about(failure f, const connect_request& to) {
    return std::move(f)
        .with("host", to.host)
        .with("port", static_cast<long long>(to.port))
        .in(failure_domain::transport)
        .delivered(delivery::not_sent);
}

failure unanswered(const endpoint& address, std::chrono::milliseconds limit) {
    return failure(failure_kind::timeout, asio::error::timed_out,
                   "cannot connect: no answer within " + std::to_string(limit.count()) + " ms")
        .with("address", to_string(address));
}

awaitable<io::stream> connect_to(connect_request to, connect_options options) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto here = std::source_location::current();
    const wait_fault fault = fault_of(info, "connect", here);
    if (fault.error) throw about(failure::from(fault.error, "cannot connect"), to);
    if (fault) co_await sleep_for(fault.delay);
    const wait_scope waiting(info, "connect", here, wait_scope::announced);

    boost::system::error_code no_address;
    const auto literal = asio::ip::make_address(to.host, no_address);
    net::detail::resolver_pool::addresses addresses;
    if (no_address) {
        std::optional<failure> unknown;
        try {
            addresses = co_await net::detail::resolve(to.host);
        } catch (const failure& f) {
            unknown = f;
        }
        if (unknown) throw about(std::move(*unknown), to);
    } else {
        addresses.push_back(literal);
    }

    std::optional<failure> last;
    for (const auto& ip : addresses) {
        const endpoint address(ip, to.port);
        file_descriptor socket;
        std::optional<failure> now;
        try {
            if (options.address_timeout.count() > 0)
                socket =
                    co_await with_deadline(options.address_timeout, connect_one(address, &options));
            else
                socket = co_await connect_one(address, &options);
        } catch (...) {
            now = failure::from(std::current_exception());
        }
        if (!now)
            co_return net::detail::make_stream(serialized(executor), socket.release(), address,
                                               nullptr, nullptr);
        const auto cancelled = co_await asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != asio::cancellation_type::none)
            throw about(std::move(*now), to);
        if (now->kind() == failure_kind::timeout && !now->context("address"))
            now = unanswered(address, options.address_timeout);
        if (last) now = std::move(*now).because(std::move(*last));
        last = std::move(now);
    }
    throw about(std::move(*last), to);
}

}  // namespace

awaitable<io::stream> connector::serve(connect_request to) const {
    return connect_to(std::move(to), options_);
}

}  // namespace weft::net::tcp
