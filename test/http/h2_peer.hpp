// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The other side of an HTTP/2 connection, frame by frame.

#include "h2_frames.hpp"
#include "peers.hpp"
#include <weft/testing/stream_suite.hpp>

#include <string>
#include <vector>

namespace h2 {

using namespace peers;

/// Reads frames and says bytes.
class frame_peer {
  public:
    explicit frame_peer(io::stream s) : wire(std::move(s)) {}

    peer wire;
    std::vector<seen> got;

    /// False when the other side takes nothing more.
    awaitable<bool> say(std::string bytes) {
        auto written = co_await attempt(wire.say(std::move(bytes)));
        co_return static_cast<bool>(written);
    }
    /// Everything that comes until nothing has come for a while.
    awaitable<void> listen(std::chrono::milliseconds silence = 50ms) {
        std::array<char, 16384> buffer;
        while (!wire.end) {
            auto n =
                co_await attempt(with_deadline(silence, wire.stream.read(asio::buffer(buffer))));
            if (!n) {
                if (n.error().kind() == failure_kind::timeout) co_return;
                wire.end = n.error().code();
            } else if (*n == 0) {
                wire.end = asio::error::eof;
            } else {
                input_.append(buffer.data(), *n);
            }
            for (seen f; take(input_, f);) got.push_back(f);
        }
    }
    /// What was read otherwise.
    void take_over(std::string text) {
        input_.append(text);
        for (seen f; take(input_, f);) got.push_back(f);
    }
    [[nodiscard]] bool ended() const { return wire.end.has_value(); }
    [[nodiscard]] const seen* find(unsigned type, std::uint32_t stream) const {
        for (const seen& f : got)
            if (f.type == type && f.stream == stream) return &f;
        return nullptr;
    }
    /// The code of the last GOAWAY, or -1.
    [[nodiscard]] long goaway_code() const {
        long code = -1;
        for (const seen& f : got)
            if (f.type == GOAWAY) code = number_at(f.payload, 4);
        return code;
    }
    [[nodiscard]] std::string content(std::uint32_t stream) const {
        std::string all;
        for (const seen& f : got)
            if (f.type == DATA && f.stream == stream) all += f.payload;
        return all;
    }

  private:
    std::string input_;
};

/// Runs `body` with a raw client that is connected to a server: body(frame_peer&, server&).
template <class Body>
void with_h2_server_over(const testing::stream_pair_factory& connect, http::any_app app,
                         http::server_options options, Body body) {
    testing::run([&]() -> awaitable<void> {
        http::server server(std::move(app), options);
        auto [near, far] = co_await connect(co_await asio::this_coro::executor);
        frame_peer client(std::move(near));
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            co_await body(client, server);
        });
    });
}

/// The same, on clear text with room for `capacity` bytes.
template <class Body>
void with_h2_server(http::any_app app, http::server_options options, Body body,
                    std::size_t capacity = 64 * 1024) {
    const auto connect = [capacity](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        co_return io::duplex(ex, capacity);
    };
    with_h2_server_over(connect, std::move(app), std::move(options), std::move(body));
}

/// Runs `body` with a client's connection and the raw server at its other end.
template <class Body>
void with_h2_client(http::client_options options, Body body) {
    options.protocol = http::protocol::http_2;
    testing::run([&]() -> awaitable<void> {
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        frame_peer server(std::move(far));
        http::connection c = co_await http::connect(std::move(near), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> { co_await body(c, server, s); });
        c.close();
        server.wire.stream.close();
    });
}

/// Takes the client's preface off what was read.
inline awaitable<void> greet(frame_peer& server) {
    const std::string first = co_await server.wire.take(preface.size());
    CHECK(first == preface);
    server.take_over(std::exchange(server.wire.got, {}));
    (void)co_await server.say(settings() + settings_ack());
    co_await server.listen();
}

}  // namespace h2
