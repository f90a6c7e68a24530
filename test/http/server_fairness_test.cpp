// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// One connection among many: a peer that sends, or takes, as fast as the server works must not
// keep the loop to itself.

#include "peers.hpp"
#include <weft/io/stream_impl.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstring>

using namespace peers;

namespace {

/// A peer that is never slower than the server: it first says `text`, then sends `more` bytes x as
/// they are read, then ends; and takes everything at once.
class eager final : public io::stream_impl {
  public:
    struct script {
        std::string text;
        std::size_t more = 0;
        std::size_t read = 0;
        std::size_t taken = 0;
        std::string beginning;  // of what was taken
    };
    eager(asio::any_io_executor ex, script& s) : stream_impl(std::move(ex)), script_(s) {}

  private:
    std::size_t try_read(io::mutable_buffers buffers, io::error_code& ec) noexcept override {
        std::size_t n = 0;
        for (const auto& b : buffers) {
            const std::size_t said = std::min(b.size(), script_.text.size());
            std::memcpy(b.data(), script_.text.data(), said);
            script_.text.erase(0, said);
            const std::size_t rest = std::min(b.size() - said, script_.more);
            std::memset(static_cast<char*>(b.data()) + said, 'x', rest);
            script_.more -= rest;
            n += said + rest;
        }
        script_.read += n;
        if (n == 0) ec = asio::error::eof;
        return n;
    }
    std::size_t try_write(io::const_buffers buffers, io::error_code&) noexcept override {
        std::size_t n = 0;
        for (const auto& b : buffers) {
            if (script_.beginning.size() < 64)
                script_.beginning.append(static_cast<const char*>(b.data()), b.size());
            n += b.size();
        }
        script_.taken += n;
        return n;
    }
    void start_read(io::mutable_buffers buffers, io::operation& op) override {
        io::error_code ec;
        const std::size_t n = try_read(buffers, ec);
        post(op, ec, n);
    }
    void start_write(io::const_buffers buffers, io::operation& op) override {
        io::error_code ec;
        const std::size_t n = try_write(buffers, ec);
        post(op, ec, n);
    }
    bool try_shutdown_send(io::error_code&) noexcept override { return true; }
    void start_shutdown_send(io::operation& op) override { post(op, {}, 0); }
    void cancel_read() noexcept override {}
    void cancel_write() noexcept override {}
    void abort() noexcept override { script_.more = 0; }
    const weft::extensions& extensions() const noexcept override { return extensions_; }

    script& script_;
    weft::extensions extensions_;
};

/// How often a bystander has its turn while an eager peer is served.
std::size_t turns_beside(eager::script& peer, http::any_app app, http::server_options options) {
    std::size_t turns = 0;
    testing::run([&]() -> awaitable<void> {
        const http::server server(std::move(app), options);
        auto ex = co_await asio::this_coro::executor;
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn([&]() -> awaitable<void> {
                for (;;) {
                    co_await asio::post(ex, asio::deferred);
                    ++turns;
                }
            });
            io::stream s = io::stream::make<eager>(ex, peer);
            co_await server.serve(std::move(s));
            scope.cancel();
        });
    });
    return turns;
}

}  // namespace

TEST_CASE("a body that comes as fast as it is read gives way to others") {
    constexpr std::size_t size = 32 * 1024 * 1024;
    eager::script peer{
        .text = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: " +
                std::to_string(size) + "\r\n\r\n",
        .more = size};
    std::size_t pulled = 0;
    auto count = [&](http::request r) -> awaitable<http::response> {
        while (std::optional<bytes> chunk = co_await r.body().next()) pulled += chunk->size();
        co_return http::text("all");
    };
    const std::size_t turns = turns_beside(peer, count, {});
    CHECK(pulled == size);
    CHECK(has(peer.beginning, "HTTP/1.1 200 "));
    CHECK(turns >= size / (128 * 1024));
}

TEST_CASE("a body that is taken as fast as it is made gives way to others") {
    const std::size_t size = 32 * 1024 * 1024;
    eager::script peer{.text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"};
    auto large = [size](http::request) -> awaitable<http::response> {
        auto make = [left = size, block = bytes(std::string(64 * 1024, 'x'))]() mutable
            -> awaitable<std::optional<bytes>> {
            if (left == 0) co_return std::nullopt;
            left -= block.size();
            co_return block;
        };
        co_return http::response(200, http::body::pull(make, size));
    };
    const std::size_t turns = turns_beside(peer, large, {.half_close = true});
    CHECK(peer.taken > size);
    CHECK(turns >= size / (128 * 1024));
}

TEST_CASE("what a refused peer goes on sending is dropped in pieces, between which others go on") {
    eager::script peer{.text = "nonsense\r\n\r\n", .more = 32 * 1024 * 1024};
    const std::size_t turns = turns_beside(peer, hello, {});
    CHECK(has(peer.beginning, "HTTP/1.1 400 "));
    CHECK(peer.more == 0);
    CHECK(turns >= 1024);
}

TEST_CASE("a peer that takes a byte now and then is given up") {
    // Slower than min_send_rate, though it never takes nothing for the write_timeout.
    auto large = [](http::request) -> awaitable<http::response> {
        co_return http::text(std::string(1'000'000, 'x'));
    };
    for (const bool slow : {true, false}) {
        CAPTURE(slow);
        with_server(
            large, {},
            [slow](peer& c) -> awaitable<void> {
                co_await c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                const auto ex = co_await asio::this_coro::executor;
                const auto start = now_of(ex);
                std::size_t got = 0;
                // 100 bytes a second, or 300.
                std::array<char, 1000> buffer;
                const std::size_t piece = slow ? 1000 : 3000;
                while (now_of(ex) - start < 15min) {
                    co_await sleep_for(10s);
                    for (std::size_t taken = 0; taken < piece;) {
                        auto n = co_await attempt(c.stream.read(asio::buffer(buffer)));
                        if (!n || *n == 0) {
                            CHECK(slow);
                            CHECK(now_of(ex) - start >= 30s);
                            // What lay between us and the server is still read.
                            CHECK(now_of(ex) - start <= 60s + 10s * (4096 / 1000 + 1));
                            co_return;
                        }
                        taken += *n;
                        got += *n;
                    }
                }
                CHECK_FALSE(slow);
                CHECK(got >= 250'000);
            },
            4096);
    }
}
