// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a request costs in memory allocations. A program of its own, because it replaces operator
// new, and aligned_alloc, with which Asio gets coroutine frames and handlers. Not built with a
// sanitizer, which replaces them itself.

#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/net/listener.hpp>
#include <weft/runtime/run.hpp>

#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

/// Of this thread: the peer, on another one, does not count.
struct allocations {
    std::size_t operator_new = 0;
    std::size_t aligned = 0;

    [[nodiscard]] std::size_t all() const noexcept { return operator_new + aligned; }
    friend allocations operator-(allocations a, allocations b) noexcept {
        return {a.operator_new - b.operator_new, a.aligned - b.aligned};
    }
};
thread_local allocations counted;

}  // namespace

void* operator new(std::size_t size) {
    ++counted.operator_new;
    if (void* p = std::malloc(size ? size : 1)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
    ++counted.aligned;
    void* p = nullptr;
    return ::posix_memalign(&p, alignment, size) == 0 ? p : nullptr;
}

namespace {

namespace http = weft::http;
using weft::awaitable;

constexpr std::size_t warm_up = 100;
constexpr std::size_t measured = 1000;

/// Sends `request` over and over, `depth` at once, reading the answers, which are all of the same
/// size.
void ask(std::uint16_t port, std::string_view request, std::size_t depth,
         std::string_view last_bytes) {
    const int s = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(s >= 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(s, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    std::string many;
    for (std::size_t i = 0; i < depth; ++i) many += request;
    for (std::size_t done = 0; done < warm_up + measured + depth; done += depth) {
        REQUIRE(::send(s, many.data(), many.size(), 0) == static_cast<ssize_t>(many.size()));
        std::size_t answers = 0;
        std::string got;
        while (answers < depth) {
            char piece[4096];
            const ssize_t n = ::recv(s, piece, sizeof piece, 0);
            REQUIRE(n > 0);
            got.append(piece, static_cast<std::size_t>(n));
            for (std::size_t end = 0; (end = got.find(last_bytes)) != got.npos; ++answers)
                got.erase(0, end + last_bytes.size());
        }
    }
    ::close(s);
}

/// What the server's thread allocated between two calls of the application, far apart, in all.
allocations of_many_requests(std::string_view request, std::size_t depth) {
    std::size_t calls = 0;
    allocations before;
    allocations after;
    auto app = [&](http::request) -> awaitable<http::response> {
        ++calls;
        if (calls == warm_up) before = counted;
        if (calls == warm_up + measured) after = counted;
        co_return http::bytes(weft::bytes::literal("Hello, World!"), "text/plain");
    };
    const http::server server(app);
    const int status = weft::run([&]() -> awaitable<void> {
        weft::net::tcp::listener listener(co_await boost::asio::this_coro::executor, "127.0.0.1:0");
        std::jthread peer(ask, listener.local_endpoint().port(), request, depth, "Hello, World!");
        weft::io::stream connection = co_await listener.accept();
        co_await server.serve(std::move(connection));
    });
    CHECK(status == 0);
    CHECK(calls >= warm_up + measured);
    return after - before;
}

void report(std::string_view what, allocations a) {
    fmt::print("{}: {:.3f} calls of operator new a request, {:.3f} of aligned_alloc (Asio's)\n",
               what, static_cast<double>(a.operator_new) / measured,
               static_cast<double>(a.aligned) / measured);
}

constexpr std::string_view plain_get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view browser_get =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nPriority: u=0, i\r\n\r\n";

}  // namespace

TEST_CASE("a kept-alive GET costs at most four allocations") {
    const allocations a = of_many_requests(plain_get, 1);
    report("GET, kept alive", a);
    CHECK(a.operator_new > 0);  // they are counted
    CHECK(a.all() <= 4 * measured);
}

TEST_CASE("a browser's GET costs at most four allocations") {
    const allocations a = of_many_requests(browser_get, 1);
    report("a browser's GET, kept alive", a);
    CHECK(a.all() <= 4 * measured);
}

TEST_CASE("a pipelined GET costs at most four allocations") {
    const allocations a = of_many_requests(plain_get, 16);
    report("GET, pipelined 16 deep", a);
    CHECK(a.all() <= 4 * measured);
}

TEST_CASE("a pooled client's GET on a kept connection costs at most thirty allocations") {
    const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(listening >= 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listening, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(listening, 1) == 0);
    REQUIRE(::getsockname(listening, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    std::jthread server([listening] {
        const int s = ::accept(listening, nullptr, nullptr);
        constexpr std::string_view answer =
            "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
        char piece[4096];
        while (::recv(s, piece, sizeof piece, 0) > 0)
            if (::send(s, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
        ::close(s);
    });
    const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "/";
    allocations used;
    const int status = weft::run([&]() -> awaitable<void> {
        const http::client client;
        allocations before;
        for (std::size_t i = 0; i < warm_up + measured; ++i) {
            if (i == warm_up) before = counted;
            http::response r = co_await client.get(url).send();
            co_await r.body().discard();
        }
        used = counted - before;
        co_await client.close();
    });
    ::close(listening);
    CHECK(status == 0);
    report("a client's GET, kept alive", used);
    CHECK(used.operator_new > 0);
    CHECK(used.all() <= 30 * measured);
}
