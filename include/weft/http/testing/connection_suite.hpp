// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/connection.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>
#include <weft/testing/stream_suite.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft {
class task_scope;
}

namespace weft::testing {

class connection_trial;

/// One law that every HTTP connection keeps.
struct connection_law {
    std::string_view name;  ///< a sentence
    awaitable<void> (*check)(connection_trial&);
};

/// What the suite needs to know of a kind of connection; a law about what a kind cannot do is
/// skipped.
struct connection_suite_options {
    /// Requests are under way at the same time (HTTP/2), and the end of one leaves the others.
    bool multiplexed = false;
    /// A request may ask for another protocol (101, RFC 9110 7.8), which HTTP/2 does not have.
    bool upgrades = true;
    /// CONNECT makes a tunnel (RFC 9110 9.3.6).
    bool tunnels = true;
    /// The laws run in the machine's time, with real sockets.
    bool real = false;
};

/// What a factory is given: who answers, under which limits, and where the server's side lives.
struct connection_setup {
    http::any_app app;
    http::server_options server;
    http::client_options client;
    task_scope& scope;
};

/// One open connection, seen from both sides.
struct connection_pair {
    /// Sends requests over this connection, and no other.
    any_service<http::request, http::response> client;
    std::function<bool()> is_open;         ///< the client's side takes requests
    std::function<void()> close;           ///< by the client
    std::function<void()> drain;           ///< of the server
    std::function<std::size_t()> serving;  ///< connections that the server serves
    std::function<void()> cut;             ///< the network breaks it; empty where it cannot be done
};

using connection_factory = std::function<awaitable<connection_pair>(connection_setup)>;

/// HTTP/1 over pairs of streams of any kind: the first is the client's.
///
///     auto over_duplex = [](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
///         co_return io::duplex(ex);
///     };
///     testing::connection_suite suite(testing::connections_over(over_duplex));
connection_factory connections_over(stream_pair_factory streams);

/// Serves one stream: what a factory spawns, because a server must outlive what it serves.
awaitable<void> serve_connection(http::server server, io::stream stream);

/// What a client's and a server's object make of a connection_pair.
connection_pair pair_of(http::connection client, http::server server);

/// Runs the laws of an HTTP connection against pairs of client and server: for those who write a
/// protocol, a transport or a TLS beneath it. HTTP/1, HTTP/2 and HTTP/3 keep the same laws.
///
///     testing::connection_suite suite(testing::connections_over(over_my_transport));
///     for (const testing::connection_law& law : testing::connection_laws()) {
///         INFO(law.name);
///         CHECK(suite.check(law) == "");
///     }
///
/// Each law runs in a testing::run of its own (run_real with `real`), with fresh connections, and
/// is broken as well by what that finds: a deadlock, or something left behind.
class connection_suite {
  public:
    explicit connection_suite(connection_factory make, connection_suite_options options = {})
        : make_(std::move(make)), options_(options) {}

    /// Empty when the law is kept, else what happened, with the line of the suite.
    [[nodiscard]] std::string check(const connection_law& law) const;

  private:
    connection_factory make_;
    connection_suite_options options_;
};

/// All laws.
std::span<const connection_law> connection_laws();

}  // namespace weft::testing
