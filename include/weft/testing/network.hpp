// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_request.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/resolve_request.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/testing/link_conditions.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::testing {

namespace detail {
class network_core;
class network_port;
}  // namespace detail

class network_host;

struct network_options {
    /// The bytes that a connection holds in each direction, on the way and unread together; then
    /// its writer waits.
    std::size_t capacity = 64 * 1024;
    /// What is written in one go travels in pieces of at most this size.
    std::size_t segment = 16 * 1024;
    /// How long a sender goes on without any sign that its bytes arrive, before the connection
    /// fails with timed_out (Linux: 13 to 30 minutes).
    clock::duration retransmit_limit = std::chrono::minutes(15);
    /// How long a connection that nobody answers is asked for (Linux: 127 s), at 0, 1, 3, 7, ... s.
    clock::duration connect_limit = std::chrono::seconds(127);
};

/// A network in memory: hosts with names and addresses, listeners, and links with every fault that
/// a network has, all from one seed.
///
///     testing::run([]() -> awaitable<void> {
///         auto ex = co_await asio::this_coro::executor;
///         testing::network net(ex);
///         net.set_links("laptop", "shop.test", {.latency = 40ms, .jitter = 5ms});
///         co_await with_scope([&](task_scope& s) -> awaitable<void> {
///             s.spawn(http::serve(net.host("shop.test").listen(80), app));
///             http::client client{net.host("laptop").connector()};
///             auto res = co_await client.get("http://shop.test/").send();
///             net.partition("laptop", "shop.test");
///             auto lost = co_await attempt(client.get("http://shop.test/").send());
///             CHECK(lost.error().kind() == failure_kind::timeout);
///         });
///     });
///
/// **As TCP.** A host's connector is a net::connector and its streams keep the laws of a stream, so
/// what is tested cannot tell them from TCP: bytes arrive in order or not at all, a lost connection
/// is noticed only by who sends (retransmit_limit) or limits its waiting, a closed end sends end of
/// file, or a reset when input was unread.
/// **Determinism.** Under testing::run the same seed gives the same run, event for event: `log()`
/// is the same text. Another seed draws other jitter and other short counts.
/// **Threads.** Any function from any thread; the timers live in the context of `executor`. Streams
/// may outlive the network.
class network {
  public:
    explicit network(boost::asio::any_io_executor executor, network_options options = {});
    network(network&&) noexcept;
    network& operator=(network&&) noexcept;
    /// Listeners are closed. What is on its way on open connections still arrives.
    ~network();

    /// The host of that name, made at the first mention with an address of its own (10.0.0.1, ...).
    /// Its name is also its DNS name.
    [[nodiscard]] network_host host(std::string_view name);

    // --- Links

    /// How bytes get from one host to the other, from now on; also on connections that stand.
    void set_link(std::string_view from, std::string_view to, link_conditions conditions);
    /// Both directions.
    void set_links(std::string_view a, std::string_view b, link_conditions conditions);
    /// Between all different hosts that have no conditions of their own.
    void set_default_link(link_conditions conditions);
    [[nodiscard]] link_conditions link(std::string_view from, std::string_view to);

    /// Nothing passes from now on, in either direction: bytes wait for the healing, or until their
    /// sender gives up.
    void partition(std::string_view a, std::string_view b);
    /// Nothing passes from one to the other. The other direction carries, but is not acknowledged.
    void partition_one_way(std::string_view from, std::string_view to);
    /// What waited sets out again.
    void heal(std::string_view a, std::string_view b);
    /// Heals every partition.
    void heal();

    /// Resets all connections between the two hosts now: both ends see connection_reset.
    void reset_connections(std::string_view a, std::string_view b);

    /// The host is gone, as without power: no end of file, no reset, no answer. Its peers are left
    /// half open.
    void vanish(std::string_view host);
    /// It is back, and knows none of its connections: its old streams fail with connection_aborted,
    /// and who still sends to them is reset. Listeners listen again.
    void restart(std::string_view host);

    // --- Names

    /// What the name resolves to: addresses, or names of hosts; tried in this order. Replaces what
    /// it meant.
    void set_name(std::string_view name, std::vector<std::string> addresses);
    /// Looking the name up fails with `error`.
    void fail_name(std::string_view name, io::error_code error);
    /// The same with host_not_found.
    void fail_name(std::string_view name);
    /// Looking the name up takes so long.
    void delay_name(std::string_view name, clock::duration delay);
    /// The same for who asks for addresses of one family only (a host's resolver).
    void delay_name(std::string_view name, net::address_family family, clock::duration delay);
    /// One address more for a host, IPv4 or IPv6. Its name means all of them. Throws
    /// failure(invalid_input) when it is no address, or another host's.
    void add_address(std::string_view host, std::string_view address);

    // --- What happened

    /// One line an event: seconds since the network was made, the connection, what happened.
    ///
    ///     0.040000000 #1 laptop:49152 > shop.test:80 established
    ///     0.040000000 #1 laptop:49152 > shop.test:80 18 bytes sent
    [[nodiscard]] std::string log() const;
    /// Connections with an end that is still held.
    [[nodiscard]] std::size_t connections() const;

  private:
    std::shared_ptr<detail::network_core> core_;
};

/// What a host's connector does when a name has several addresses.
struct network_connect_options {
    /// For one address; the next is tried after it. Zero: as long as connect_limit.
    std::chrono::milliseconds address_timeout{10'000};
};

/// A host's connector: a service from net::connect_request to io::stream, as net::tcp::connector
/// is, with the same failures.
///
///     net::connector connect = net.host("laptop").connector();
class network_connector {
  public:
    awaitable<io::stream> serve(net::connect_request to) const;

  private:
    friend class network_host;
    network_connector(std::shared_ptr<detail::network_core> core, std::size_t host,
                      network_connect_options options)
        : core_(std::move(core)), host_(host), options_(options) {}

    std::shared_ptr<detail::network_core> core_;
    std::size_t host_;
    network_connect_options options_;
};

/// A host's resolver: a service from net::resolve_request to net::resolve_answer that knows the
/// names of the network. Its failures are those of the room dns.
///
///     net::resolver names = net.host("laptop").resolver();
class network_resolver {
  public:
    awaitable<net::resolve_answer> serve(net::resolve_request what) const;

  private:
    friend class network_host;
    network_resolver(std::shared_ptr<detail::network_core> core, std::size_t host)
        : core_(std::move(core)), host_(host) {}

    std::shared_ptr<detail::network_core> core_;
    std::size_t host_;
};

/// Accepts the connections to one port of a host; what net::serve and http::serve take in place of
/// an address.
class network_listener {
  public:
    network_listener(network_listener&&) noexcept;
    network_listener& operator=(network_listener&&) noexcept;
    /// Connections that nobody accepted are reset.
    ~network_listener();

    [[nodiscard]] net::endpoint local_endpoint() const noexcept;

    /// The next connection, or an empty stream once the listener is closed and drained. Several may
    /// wait; they are served in turn. Cancelling loses no connection.
    awaitable<io::stream> accept(std::source_location where = std::source_location::current());

    /// What stands already still comes out of accept, then empty streams; new clients are refused.
    void close() noexcept;

  private:
    friend class network_host;
    explicit network_listener(std::shared_ptr<detail::network_port> port)
        : port_(std::move(port)) {}
    std::shared_ptr<detail::network_port> port_;
};

/// One host of a testing::network. A cheap handle, which keeps the network's inside alive.
class network_host {
  public:
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// "10.0.0.1".
    [[nodiscard]] std::string address() const;

    [[nodiscard]] network_connector connector(network_connect_options options = {}) const {
        return {core_, id_, options};
    }
    [[nodiscard]] network_resolver resolver() const { return {core_, id_}; }
    /// Listens on a port; 0 chooses one. At most `backlog` connections wait to be accepted, the
    /// next ones are not answered. Throws failure(invalid_input), address_in_use, when the port is
    /// taken.
    [[nodiscard]] network_listener listen(std::uint16_t port, std::size_t backlog = 128) const;

  private:
    friend class network;
    network_host(std::shared_ptr<detail::network_core> core, std::size_t id, std::string name)
        : core_(std::move(core)), id_(id), name_(std::move(name)) {}

    std::shared_ptr<detail::network_core> core_;
    std::size_t id_;
    std::string name_;
};

}  // namespace weft::testing
