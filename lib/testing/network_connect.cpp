// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_connection.hpp"
#include "network_core.hpp"
#include <weft/core/failure.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/network.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <exception>

namespace weft::testing {

namespace asio = boost::asio;
using detail::host_id;
using detail::network_core;
using guard = network_core::guard;

namespace {

using std::chrono::milliseconds;

/// One try to reach a port: what the first two packets of TCP's handshake come to.
struct attempt_to_reach {
    std::shared_ptr<network_core> core;
    host_id from;
    host_id to;
    net::endpoint address;

    enum class found : unsigned char { nothing, refused, listener };

    [[nodiscard]] std::string names() const {
        return fmt::format("{} > {}:{}", core->at(from).name, core->at(to).name, address.port());
    }

    /// The request sets out; how long it travels, or nothing when it is lost.
    std::optional<clock::duration> depart() const {
        const guard lock(*core);
        const link_conditions& there = core->link(from, to);
        const bool lost = core->blocked(from, to) || there.connect == connecting::lost;
        core->note("- {} connect{}", names(), lost ? ", lost" : "");
        if (lost) return std::nullopt;
        return core->travel(there);
    }

    /// The request has arrived, and is answered; how long the answer travels.
    std::optional<clock::duration> answer(found& what) const {
        const guard lock(*core);
        if (core->blocked(from, to) || core->blocked(to, from)) return std::nullopt;
        const link_conditions& there = core->link(from, to);
        detail::network_port* const port = core->port_at(address);
        if (!port || there.connect == connecting::refused) {
            what = found::refused;
        } else if (port->full()) {
            core->note("- {} not answered: the backlog is full", names());
            return std::nullopt;
        } else {
            what = found::listener;
        }
        return core->travel(core->link(to, from)) + there.connect_delay;
    }

    /// The answer has arrived.
    io::stream open(const asio::any_io_executor& executor) const {
        const guard lock(*core);
        detail::network_port* const port = core->port_at(address);
        if (!port) return {};
        const net::endpoint local(core->at(from).address, core->ephemeral_port(from));
        auto made = std::make_unique<detail::network_connection>(
            core, detail::network_connection::party{from, local, serialized(executor)},
            detail::network_connection::party{to, address, port->executor});
        return made.release()->client();
    }
};

failure refused(const net::endpoint& address) {
    return failure::from(asio::error::connection_refused, "cannot connect")
        .with("address", net::to_string(address));
}

/// One address: asks at 0, 1, 3, 7, ... s until there is an answer.
awaitable<io::stream> connect_one(attempt_to_reach reach) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    weft::clock& time = context_info::of(executor).clock();
    const auto begun = time.now();
    for (clock::duration pause = std::chrono::seconds(1);; pause *= 2) {
        const auto asked = time.now();
        auto what = attempt_to_reach::found::nothing;
        auto way = reach.depart();
        if (way) {
            if (*way > clock::duration::zero()) co_await sleep_for(*way);
            way = reach.answer(what);
            if (way && *way > clock::duration::zero()) co_await sleep_for(*way);
        }
        if (way && what == attempt_to_reach::found::listener) {
            io::stream s = reach.open(executor);
            if (s) co_return s;
            what = attempt_to_reach::found::refused;
        }
        if (way && what == attempt_to_reach::found::refused) {
            const guard lock(*reach.core);
            reach.core->note("- {} refused", reach.names());
            throw refused(reach.address);
        }
        const auto end = begun + reach.core->options.connect_limit;
        co_await sleep_until(std::min(asked + pause, end));
        if (time.now() >= end)
            throw failure::from(asio::error::timed_out, "cannot connect")
                .with("address", net::to_string(reach.address));
    }
}

failure about(failure f, const net::connect_request& to) {
    return std::move(f)
        .with("host", to.host)
        .with("port", static_cast<long long>(to.port))
        .in(failure_domain::transport)
        .delivered(delivery::not_sent);
}

/// A name's addresses, after the time that the look-up takes.
awaitable<network_core::address_list> resolve(
    std::shared_ptr<network_core> core, host_id host, std::string name,
    net::address_family family = net::address_family::any) {
    network_core::address_list found;
    {
        const guard lock(*core);
        found = core->look_up(name, host, family);
    }
    if (found.delay > clock::duration::zero()) co_await sleep_for(found.delay);
    const guard lock(*core);
    if (found.error) core->note("- {} name {}: {}", core->at(host).name, name, found.error.what());
    co_return found;
}

awaitable<io::stream> connect(std::shared_ptr<network_core> core, host_id host,
                              net::connect_request to, network_connect_options options) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto here = std::source_location::current();
    const wait_fault fault = fault_of(info, "connect", here);
    if (fault.error) throw about(failure::from(fault.error, "cannot connect"), to);
    if (fault) co_await sleep_for(fault.delay);
    const wait_scope waiting(info, "connect", here, wait_scope::announced);
    const network_core::address_list found = co_await resolve(core, host, to.host);
    if (found.error) throw about(failure::from(found.error, "cannot resolve the host"), to);
    std::optional<failure> last;
    for (const auto& ip : found.addresses) {
        const net::endpoint address(ip, to.port);
        std::optional<host_id> there;
        {
            const guard lock(*core);
            there = core->host_at(ip);
        }
        std::optional<failure> now;
        io::stream made;
        if (!there) {
            now = failure::from(asio::error::host_unreachable, "cannot connect")
                      .with("address", net::to_string(address));
        } else {
            attempt_to_reach reach{core, host, *there, address};
            try {
                if (options.address_timeout.count() > 0)
                    made = co_await with_deadline(options.address_timeout,
                                                  connect_one(std::move(reach)));
                else
                    made = co_await connect_one(std::move(reach));
            } catch (...) {
                now = failure::from(std::current_exception());
            }
        }
        if (!now) co_return made;
        const auto cancelled = co_await asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != asio::cancellation_type::none)
            throw about(std::move(*now), to);
        if (now->kind() == failure_kind::timeout && !now->context("address"))
            now = failure(failure_kind::timeout, asio::error::timed_out,
                          fmt::format("cannot connect: no answer within {} ms",
                                      options.address_timeout.count()))
                      .with("address", net::to_string(address));
        if (last) now = std::move(*now).because(std::move(*last));
        last = std::move(now);
    }
    throw about(std::move(*last), to);
}

}  // namespace

awaitable<net::resolve_answer> network_resolver::serve(net::resolve_request what) const {
    const auto core = core_;
    const host_id host = host_;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto here = std::source_location::current();
    const wait_fault fault = fault_of(info, "resolve", here);
    network_core::address_list found;
    found.error = fault.error;
    if (!found.error) {
        if (fault) co_await sleep_for(fault.delay);
        const wait_scope waiting(info, "resolve", here, wait_scope::announced);
        found = co_await resolve(core, host, what.name, what.family);
    }
    if (found.error)
        throw failure::from(found.error, "cannot resolve the host's name")
            .with("host", what.name)
            .in(failure_domain::transport)
            .delivered(delivery::not_sent);
    net::resolve_answer answer;
    answer.addresses = std::move(found.addresses);
    answer.from = net::answer_source::network;
    co_return answer;
}

awaitable<io::stream> network_connector::serve(net::connect_request to) const {
    return connect(core_, host_, std::move(to), options_);
}

}  // namespace weft::testing
