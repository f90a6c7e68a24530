// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_request.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {
class task_scope;
}

namespace weft::testing {

/// A connector whose other end is a server: client and server test each other directly, without
/// ports and threads.
///
///     http::client client{testing::mock_connector(http::server(app))};
///     auto res = co_await client.get("http://shop.test/").send();
///
/// `server` is any service from io::stream to void. Each connect makes an io::duplex and has the
/// server serve its other end, in a scope: that of the testing::run around it, or the one that is
/// given. Connecting outside of both throws failure(invalid_input). What the server throws ends the
/// scope, and so the test. Copies share the server and the count.
class mock_connector {
  public:
    template <class Server>
        requires service<Server, io::stream>
    explicit mock_connector(Server server, std::size_t capacity = 64 * 1024)
        : mock_connector(any_service<io::stream, void>(std::move(server)), nullptr, capacity) {}

    template <class Server>
        requires service<Server, io::stream>
    mock_connector(Server server, task_scope& scope, std::size_t capacity = 64 * 1024)
        : mock_connector(any_service<io::stream, void>(std::move(server)), &scope, capacity) {}

    awaitable<io::stream> serve(net::connect_request to) const;

    /// How many connections were made.
    [[nodiscard]] std::size_t connections() const noexcept;

  private:
    mock_connector(any_service<io::stream, void> server, task_scope* scope, std::size_t capacity);

    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace weft::testing
