// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_core.hpp"

#include "network_connection.hpp"
#include <weft/core/failure.hpp>
#include <weft/runtime/executor.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/address_v4.hpp>

#include <algorithm>
#include <iterator>

namespace weft::testing::detail {

namespace asio = boost::asio;

namespace {

std::string lower(std::string_view text) {
    std::string s(text);
    for (char& c : s)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return s;
}

}  // namespace

// Time --------------------------------------------------------------------------------------------

void network_timer::arm(time_point at) {
    disarm();
    if (core_.shut_) return;
    at_ = at;
    order_ = ++core_.order_;
    armed_ = true;
    core_.timers_.emplace(network_core::key(at_, order_), this);
}

void network_timer::disarm() noexcept {
    if (!std::exchange(armed_, false)) return;
    core_.timers_.erase(network_core::key(at_, order_));
}

network_core::guard::~guard() {
    core_->reschedule();
    std::vector<network_connection*> doomed = std::move(core_->doomed_);
    lock_.unlock();
    for (network_connection* c : doomed) delete c;
}

void network_core::reschedule() {
    if (shut_ || timers_.empty()) {
        sleeper_.reset();
        return;
    }
    const time_point first = timers_.begin()->first.first;
    if (sleeper_ && sleeps_until_ == first) return;
    sleeper_.reset();
    sleeper_.emplace(info_.deadlines(), executor_);
    sleeps_until_ = first;
    sleeper_->start(first, [weak = weak_from_this(), number = ++sleep_number_](io::error_code ec) {
        const auto self = weak.lock();
        if (!self || ec) return;
        const guard lock(*self);
        if (number != self->sleep_number_) return;
        self->sleeper_.reset();
        self->run_due();
    });
}

void network_core::run_due() {
    while (!timers_.empty() && timers_.begin()->first.first <= now()) {
        network_timer& t = *timers_.begin()->second;
        t.disarm();
        t.fire_();
    }
}

// Life --------------------------------------------------------------------------------------------

network_core::network_core(asio::any_io_executor executor, network_options o)
    : options(o),
      executor_(std::move(executor)),
      info_(context_info::of(executor_)),
      begun_(info_.clock().now()) {}

network_core::~network_core() { remove(); }

void network_core::close() noexcept {
    const guard lock(*this);
    while (!ports_.empty()) {
        network_port& p = *ports_.begin()->second;
        forget(p);
        p.queue.close();
    }
    const auto all = connections_;
    for (const auto& [number, c] : all) c->abandon_opening();
}

void network_core::on_context_shutdown() noexcept {
    const auto self = shared_from_this();
    const std::lock_guard lock(mutex_);
    shut_ = true;
    for (const auto& [when, timer] : timers_) timer->armed_ = false;
    timers_.clear();
    sleeper_.reset();
}

void network_core::write_line(std::string_view text) {
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(now() - begun_).count();
    fmt::format_to(std::back_inserter(log_), "{}.{:09} {}\n", since / 1'000'000'000,
                   since % 1'000'000'000, text);
}

// Hosts and links ---------------------------------------------------------------------------------

host_id network_core::host_of(std::string_view name) {
    const std::string key = lower(name);
    if (const auto found = by_name_.find(key); found != by_name_.end()) return found->second;
    const host_id id = hosts_.size();
    const auto n = static_cast<std::uint32_t>(id + 1);
    hosts_.push_back(host{key, asio::ip::address_v4((10u << 24) + n)});
    by_name_.emplace(key, id);
    return id;
}

std::optional<host_id> network_core::host_at(const asio::ip::address& address) const {
    for (host_id id = 0; id < hosts_.size(); ++id)
        if (hosts_[id].address == address || std::ranges::count(hosts_[id].more, address) > 0)
            return id;
    return std::nullopt;
}

const link_conditions& network_core::link(host_id from, host_id to) const {
    static const link_conditions perfect;
    if (const auto found = links_.find({from, to}); found != links_.end()) return found->second;
    return from == to ? perfect : default_link_;
}

template <class F>
void network_core::each_connection(host_id a, host_id b, F f) {
    const auto all = connections_;  // f may end some
    for (const auto& [number, c] : all)
        if (c->joins(a, b)) f(*c);
}

void network_core::refresh(host_id a, host_id b) {
    each_connection(a, b, [](network_connection& c) { c.conditions_changed(); });
}

void network_core::set_link(host_id from, host_id to, const link_conditions& conditions) {
    links_[{from, to}] = conditions;
    refresh(from, to);
}

void network_core::set_default_link(const link_conditions& conditions) {
    default_link_ = conditions;
    const auto all = connections_;
    for (const auto& [number, c] : all) c->conditions_changed();
}

bool network_core::blocked(host_id from, host_id to) const {
    if (!hosts_[from].up || !hosts_[to].up) return true;
    return cuts_.contains({from, to});
}

void network_core::cut(host_id from, host_id to) {
    if (!cuts_.emplace(std::pair(from, to), true).second) return;
    note("- {} > {} cut", hosts_[from].name, hosts_[to].name);
    refresh(from, to);
}

void network_core::heal(host_id from, host_id to) {
    if (cuts_.erase({from, to}) == 0) return;
    note("- {} > {} healed", hosts_[from].name, hosts_[to].name);
    each_connection(from, to, [](network_connection& c) { c.healed(); });
}

void network_core::heal_all() {
    while (!cuts_.empty()) {
        const auto [from, to] = cuts_.begin()->first;
        heal(from, to);
    }
}

void network_core::reset_connections(host_id a, host_id b) {
    each_connection(a, b, [](network_connection& c) { c.reset_by_network("reset"); });
}

void network_core::vanish(host_id h) {
    if (!std::exchange(hosts_[h].up, false)) return;
    note("- {} vanished", hosts_[h].name);
    const auto all = connections_;
    for (const auto& [number, c] : all)
        if (c->touches(h)) c->conditions_changed();
}

void network_core::restart(host_id h) {
    if (std::exchange(hosts_[h].up, true)) return;
    note("- {} restarted", hosts_[h].name);
    const auto all = connections_;
    for (const auto& [number, c] : all)
        if (c->touches(h)) c->forgotten_by(h);
}

clock::duration network_core::travel(const link_conditions& l) {
    clock::duration d = l.latency;
    if (l.jitter > clock::duration::zero())
        d += clock::duration(
            info_.entropy().below(static_cast<std::uint64_t>(l.jitter.count()) + 1));
    return d;
}

// Names -------------------------------------------------------------------------------------------

network_core::name_entry& network_core::name(std::string_view n) { return names_[lower(n)]; }

network_core::address_list network_core::look_up(std::string_view name, host_id asking,
                                                 net::address_family family) {
    address_list result;
    const std::string key = lower(name);
    std::vector<std::string> meant{key};
    if (const auto found = names_.find(key); found != names_.end()) {
        result.delay =
            found->second.delay + found->second.family_delay[static_cast<std::size_t>(family)];
        if (found->second.error) {
            result.error = *found->second.error;
            return result;
        }
        if (found->second.addresses) meant = *found->second.addresses;
    }
    for (const std::string& one : meant) {
        io::error_code no_address;
        const auto literal = asio::ip::make_address(one, no_address);
        if (!no_address) {
            result.addresses.push_back(literal.is_loopback() ? hosts_[asking].address : literal);
        } else if (one == "localhost") {
            result.addresses.push_back(hosts_[asking].address);
        } else if (const auto host = by_name_.find(lower(one)); host != by_name_.end()) {
            result.addresses.push_back(hosts_[host->second].address);
            const auto& more = hosts_[host->second].more;
            result.addresses.insert(result.addresses.end(), more.begin(), more.end());
        }
    }
    if (result.addresses.empty()) {
        result.error = asio::error::host_not_found;
        return result;
    }
    if (family != net::address_family::any)
        std::erase_if(result.addresses, [&](const asio::ip::address& a) {
            return a.is_v6() != (family == net::address_family::v6);
        });
    if (result.addresses.empty()) result.error = asio::error::no_data;
    return result;
}

// Ports and connections ---------------------------------------------------------------------------

void network_core::listen(host_id h, std::uint16_t& port, network_port& p) {
    if (port == 0) {
        do port = ephemeral_port(h);
        while (ports_.contains({h, port}));
    } else if (ports_.contains({h, port})) {
        throw failure(failure_kind::invalid_input, asio::error::address_in_use, "cannot listen")
            .with("address", net::to_string(net::endpoint(hosts_[h].address, port)));
    }
    ports_[{h, port}] = &p;
    note("- {}:{} listens", hosts_[h].name, port);
}

void network_core::forget(network_port& p) noexcept {
    if (std::exchange(p.closed, true)) return;
    ports_.erase({p.on, p.port});
    note("- {}:{} listens no more", hosts_[p.on].name, p.port);
}

network_port* network_core::port_at(const net::endpoint& e) const {
    const auto h = host_at(e.address());
    if (!h) return nullptr;
    const auto found = ports_.find({*h, e.port()});
    return found == ports_.end() ? nullptr : found->second;
}

std::uint16_t network_core::ephemeral_port(host_id h) {
    std::uint16_t& next = hosts_[h].next_port;
    const std::uint16_t port = next;
    next = next == 65535 ? 49152 : static_cast<std::uint16_t>(next + 1);
    return port;
}

void network_core::add(network_connection& c) { connections_.emplace(c.number, &c); }

void network_core::doom(network_connection& c) {
    connections_.erase(c.number);
    doomed_.push_back(&c);
}

network_port::network_port(std::shared_ptr<network_core> c, host_id h, std::uint16_t wanted,
                           std::size_t backlog)
    : core(std::move(c)),
      on(h),
      id(core->take_port_number()),
      port(wanted),
      executor(serialized(core->executor())),
      queue(std::max<std::size_t>(backlog, 1)) {
    const network_core::guard lock(*core);
    core->listen(on, port, *this);
}

network_port::~network_port() {
    close();
    while (std::optional<io::stream> s = queue.try_receive()) s->abort();
}

void network_port::close() noexcept {
    {
        const network_core::guard lock(*core);
        core->forget(*this);
    }
    queue.close();
}

}  // namespace weft::testing::detail
