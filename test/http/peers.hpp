// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The other side of a connection, byte by byte, for the tests of server and client.

#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/connection.hpp>
#include <weft/http/server.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/counters.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peers {

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

inline const auto hello = [](http::request r) -> awaitable<http::response> {
    co_return http::text("Hello, " + r.query("name").value_or("world"));
};

inline const auto echo = [](http::request r) -> awaitable<http::response> {
    http::response answer;
    answer.set_body(std::move(r.body()));
    co_return answer;
};

/// Without the Date field, which changes.
inline std::string dateless(std::string text) {
    for (std::size_t at; (at = text.find("Date: ")) != text.npos;)
        text.erase(at, text.find("\r\n", at) + 2 - at);
    return text;
}

inline std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size()) ++n;
    return n;
}

inline bool has(std::string_view text, std::string_view what) {
    return text.find(what) != text.npos;
}

/// Writes bytes and looks for texts.
class peer {
  public:
    explicit peer(io::stream s) : stream(std::move(s)) {}

    io::stream stream;
    std::string got;                               ///< read and not asked for yet
    std::optional<boost::system::error_code> end;  ///< how the connection ended

    awaitable<void> say(std::string text) { return stream.write(weft::bytes(std::move(text))); }

    /// Up to and with `mark`; what there was when the connection ended before.
    awaitable<std::string> until(std::string mark) {
        std::size_t at;
        while ((at = got.find(mark)) == got.npos && !end) co_await more();
        if (at == got.npos) co_return std::exchange(got, {});
        std::string text = got.substr(0, at + mark.size());
        got.erase(0, at + mark.size());
        co_return text;
    }
    /// The next `n` bytes.
    awaitable<std::string> take(std::size_t n) {
        while (got.size() < n && !end) co_await more();
        std::string text = got.substr(0, n);
        got.erase(0, text.size());
        co_return text;
    }
    /// Everything until the connection ends, without Date.
    awaitable<std::string> rest() {
        while (!end) co_await more();
        co_return dateless(std::exchange(got, {}));
    }
    /// One head, without Date.
    awaitable<std::string> head() {
        std::string text = co_await until("\r\n\r\n");
        co_return dateless(std::move(text));
    }
    bool ended_well() const { return end && *end == asio::error::eof; }

  private:
    awaitable<void> more() {
        std::array<char, 4096> buffer;
        auto n = co_await attempt(stream.read(asio::buffer(buffer)));
        if (!n)
            end = n.error().code();
        else if (*n == 0)
            end = asio::error::eof;
        else
            got.append(buffer.data(), *n);
    }
};

inline clock::time_point now_of(const asio::any_io_executor& ex) {
    return context_info::of(ex).clock().now();
}

/// Runs `body` with a raw client that is connected to a server.
template <class Body>
void with_server(http::any_app app, http::server_options options, Body body,
                 std::size_t capacity = 64 * 1024, testing::run_options how = {}) {
    testing::run(
        [&]() -> awaitable<void> {
            http::server server(std::move(app), options);
            auto ex = co_await asio::this_coro::executor;
            auto [near, far] = io::duplex(ex, capacity);
            peer client(std::move(near));
            io::stream end = std::move(far);
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn(server.serve(std::move(end)));
                if constexpr (std::is_invocable_v<Body&, peer&, http::server&>)
                    co_await body(client, server);
                else
                    co_await body(client);
            });
        },
        how);
}

/// What the server says to these bytes until it closes; the client half-closes once it has sent them.
inline std::string answer_to(std::string bytes, http::any_app app,
                             http::server_options options = {.half_close = true},
                             bool half_close = true) {
    std::string answer;
    with_server(std::move(app), options, [&](peer& client) -> awaitable<void> {
        co_await client.say(bytes);
        if (half_close) co_await client.stream.shutdown_send();
        answer = co_await client.rest();
    });
    return answer;
}

/// A server of a client that is a script, called for each connection.
using script = std::function<awaitable<void>(peer&)>;

inline testing::mock_connector scripted(script s, std::size_t capacity = 64 * 1024) {
    auto serve = [s = std::move(s)](io::stream stream) -> awaitable<void> {
        peer client(std::move(stream));
        co_await s(client);
    };
    return testing::mock_connector(serve, capacity);
}

/// A stream that counts its writes.
struct write_count {
    int writes = 0;
    int reads = 0;
};
io::stream counted(io::stream inner, std::shared_ptr<write_count> count);

}  // namespace peers
