// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The HTTP/2 driver of both roles: frames in any order, cut anywhere. Whatever comes, the
// connection ends when the peer does, and nothing is left behind.

#include <weft/core/attempt.hpp>
#include <weft/http/connection.hpp>
#include <weft/http/server.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// Input: one byte that chooses (1: the driver is a client; 2: raw bytes, no frames; 4: no preface;
/// the rest: how it is cut), then frames as type, flags, stream, size and payload.
std::string bytes_of(std::string_view input, unsigned choice) {
    std::string s;
    if (!(choice & 4)) {
        if (!(choice & 1)) s += "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        s += std::string("\0\0\0\4\0\0\0\0\0", 9);
        s += std::string("\0\0\0\4\1\0\0\0\0", 9);
    }
    if (choice & 2) return s.append(input);
    while (input.size() >= 4) {
        const std::size_t size =
            std::min<std::size_t>(static_cast<unsigned char>(input[3]), input.size() - 4);
        s += std::string("\0\0", 2);
        s += static_cast<char>(size);
        s += input[0];
        s += input[1];
        s += std::string("\0\0\0", 3);
        s += input[2];
        s += input.substr(4, size);
        input.remove_prefix(4 + size);
    }
    return s;
}

awaitable<http::response> app(http::request r) {
    if (r.method() == http::method::get) co_return http::text("hello");
    http::response answer;
    answer.set_body(std::move(r.body()));
    co_return answer;
}

awaitable<void> drain(io::stream* s) {
    std::array<char, 4096> memory;
    while (co_await s->read(asio::buffer(memory)) > 0) {
    }
}

/// Says it in pieces, hears what comes, and goes.
awaitable<void> talk(io::stream* s, std::string text, std::size_t piece) {
    co_await with_scope([&](task_scope& scope) -> awaitable<void> {
        scope.spawn([s]() -> awaitable<void> { auto end = co_await attempt(drain(s)); });
        for (std::size_t at = 0; at < text.size(); at += piece) {
            auto said =
                co_await attempt(with_deadline(5s, s->write(weft::bytes(text.substr(at, piece)))));
            if (!said) break;
            co_await sleep_for(1ms);
        }
        co_await sleep_for(10ms);
    });
    s->close();
}

awaitable<void> ask(http::connection c) {
    auto asked = [](http::connection to, http::request r) -> awaitable<void> {
        http::response answer = co_await to.serve(std::move(r));
        const std::uint64_t n = co_await answer.body().discard();
        (void)n;
    };
    auto get = co_await attempt(asked(c, http::request(http::method::get, "http://a/")));
    auto post = co_await attempt(asked(c, http::request(http::method::post, "http://a/", "text")));
}

void run(std::string_view input) {
    const unsigned choice = input.empty() ? 0 : static_cast<unsigned char>(input[0]);
    const std::size_t piece = 1 + (choice >> 3) * 7;
    const std::string text = bytes_of(input.substr(std::min<std::size_t>(1, input.size())), choice);
    testing::run([&]() -> awaitable<void> {
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        io::stream peer = std::move(near);
        io::stream ours = std::move(far);
        http::server server(app);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            if (choice & 1) {
                http::client_options options;
                options.protocol = http::protocol::http_2;
                http::connection c = co_await http::connect(std::move(ours), options);
                s.spawn([c]() -> awaitable<void> { co_await ask(c); });
                co_await talk(&peer, text, piece);
                co_await sleep_for(1h);
                c.close();
            } else {
                s.spawn(server.serve(std::move(ours)));
                co_await talk(&peer, text, piece);
                for (int i = 0; i < 600 && server.connections() > 0; ++i) co_await sleep_for(1s);
                if (server.connections() > 0) throw std::runtime_error("a connection stays");
            }
        });
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    try {
        run({reinterpret_cast<const char*>(data), size});
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        std::abort();
    }
    return 0;
}
