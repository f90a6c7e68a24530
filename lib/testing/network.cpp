// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_core.hpp"
#include <weft/core/failure.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/testing/network.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

namespace weft::testing {

namespace asio = boost::asio;
using guard = detail::network_core::guard;

network::network(asio::any_io_executor executor, network_options options)
    : core_(std::make_shared<detail::network_core>(std::move(executor), options)) {
    core_->start();
}

network::network(network&&) noexcept = default;

network& network::operator=(network&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
}

network::~network() {
    if (core_) core_->close();
}

network_host network::host(std::string_view name) {
    const guard lock(*core_);
    const detail::host_id id = core_->host_of(name);
    return {core_, id, core_->at(id).name};
}

void network::set_link(std::string_view from, std::string_view to, link_conditions conditions) {
    const guard lock(*core_);
    core_->set_link(core_->host_of(from), core_->host_of(to), conditions);
}

void network::set_links(std::string_view a, std::string_view b, link_conditions conditions) {
    set_link(a, b, conditions);
    set_link(b, a, conditions);
}

void network::set_default_link(link_conditions conditions) {
    const guard lock(*core_);
    core_->set_default_link(conditions);
}

link_conditions network::link(std::string_view from, std::string_view to) {
    const guard lock(*core_);
    const detail::host_id a = core_->host_of(from);
    return core_->link(a, core_->host_of(to));
}

void network::partition(std::string_view a, std::string_view b) {
    partition_one_way(a, b);
    partition_one_way(b, a);
}

void network::partition_one_way(std::string_view from, std::string_view to) {
    const guard lock(*core_);
    const detail::host_id a = core_->host_of(from);
    core_->cut(a, core_->host_of(to));
}

void network::heal(std::string_view a, std::string_view b) {
    const guard lock(*core_);
    const detail::host_id first = core_->host_of(a);
    const detail::host_id second = core_->host_of(b);
    core_->heal(first, second);
    core_->heal(second, first);
}

void network::heal() {
    const guard lock(*core_);
    core_->heal_all();
}

void network::reset_connections(std::string_view a, std::string_view b) {
    const guard lock(*core_);
    const detail::host_id first = core_->host_of(a);
    core_->reset_connections(first, core_->host_of(b));
}

void network::vanish(std::string_view host) {
    const guard lock(*core_);
    core_->vanish(core_->host_of(host));
}

void network::restart(std::string_view host) {
    const guard lock(*core_);
    core_->restart(core_->host_of(host));
}

void network::set_name(std::string_view name, std::vector<std::string> addresses) {
    const guard lock(*core_);
    auto& entry = core_->name(name);
    entry.addresses = std::move(addresses);
    entry.error.reset();
}

void network::fail_name(std::string_view name, io::error_code error) {
    const guard lock(*core_);
    core_->name(name).error = error;
}

void network::fail_name(std::string_view name) { fail_name(name, asio::error::host_not_found); }

void network::delay_name(std::string_view name, clock::duration delay) {
    const guard lock(*core_);
    core_->name(name).delay = delay;
}

void network::delay_name(std::string_view name, net::address_family family, clock::duration delay) {
    const guard lock(*core_);
    core_->name(name).family_delay[static_cast<std::size_t>(family)] = delay;
}

void network::add_address(std::string_view host, std::string_view address) {
    io::error_code ec;
    const auto ip = asio::ip::make_address(address, ec);
    const guard lock(*core_);
    const detail::host_id id = core_->host_of(host);
    if (ec || (core_->host_at(ip) && *core_->host_at(ip) != id))
        throw failure(failure_kind::invalid_input, "this cannot be a host's address")
            .with("host", host)
            .with("address", address);
    core_->at(id).more.push_back(ip);
}

std::string network::log() const {
    const guard lock(*core_);
    return core_->log();
}

std::size_t network::connections() const {
    const guard lock(*core_);
    return core_->connections();
}

// Hosts and listeners -----------------------------------------------------------------------------

std::string network_host::address() const {
    const guard lock(*core_);
    return core_->at(id_).address.to_string();
}

network_listener network_host::listen(std::uint16_t port, std::size_t backlog) const {
    return network_listener(std::make_shared<detail::network_port>(core_, id_, port, backlog));
}

network_listener::network_listener(network_listener&&) noexcept = default;

network_listener& network_listener::operator=(network_listener&& other) noexcept {
    std::swap(port_, other.port_);
    return *this;
}

network_listener::~network_listener() = default;

net::endpoint network_listener::local_endpoint() const noexcept {
    const guard lock(*port_->core);
    return {port_->core->at(port_->on).address, port_->port};
}

void network_listener::close() noexcept { port_->close(); }

namespace {

awaitable<io::stream> accept_from(std::shared_ptr<detail::network_port> port,
                                  std::source_location where) {
    auto here = co_await asio::this_coro::executor;
    const wait_scope waiting(context_info::of(here), "accept", where);
    std::optional<io::stream> s = co_await port->queue.receive(where);
    if (!s) co_return io::stream();
    co_return std::move(*s);
}

}  // namespace

awaitable<io::stream> network_listener::accept(std::source_location where) {
    return accept_from(port_, where);
}

}  // namespace weft::testing
