// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// tls_load full|resumed PORT SECONDS: shakes hands with a server on 127.0.0.1 again and again, one
//     request each (GET /, until the server ends the connection), 16 at once.
// tls_load idle PORT COUNT: holds so many connections after one request each, says what they cost
//     here, and waits for the end of its input.
//
// Our client on one core; no certificate is verified, so that the server is what is busy.
// compare_tls drives weft and nginx with it.

#include "load.hpp"
#include <weft/weft.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <malloc.h>
#include <unistd.h>

using namespace weft;
namespace asio = boost::asio;

namespace {

std::size_t resident() {
    std::size_t all = 0;
    std::size_t pages = 0;
    if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(f, "%zu %zu", &all, &pages) != 2) pages = 0;
        std::fclose(f);
    }
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

tls::client_config config(bool resumes) {
    tls::client_options o;
    o.verify = tls::verify::dangerously_none;
    o.session_cache = resumes ? 1 : 0;
    return tls::client_config(o);
}

awaitable<io::stream> open(tls::client_config c, std::uint16_t port) {
    net::connect_request to("127.0.0.1", port);
    io::stream raw = co_await net::tcp::connect.serve(std::move(to));
    tls::target host{"localhost", port};
    co_return co_await tls::handshake(std::move(raw), std::move(c), std::move(host));
}

struct tally {
    std::uint64_t done = 0;
    std::uint64_t resumed = 0;
    std::uint64_t failures = 0;
    bool over = false;
};

awaitable<void> visit(tls::client_config c, std::uint16_t port, tally* t) {
    io::stream s = co_await open(std::move(c), port);
    co_await s.write(
        bytes::literal("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    std::array<char, 4096> memory;
    while (co_await s.read(asio::buffer(memory)) > 0) continue;
    ++t->done;
    if (s.extensions().get<tls::info>()->resumed) ++t->resumed;
}

awaitable<void> user(bool resumes, std::uint16_t port, tally* t) {
    const tls::client_config c = config(resumes);
    while (!t->over) {
        const auto ended = co_await attempt(visit(c, port, t));
        if (ended) continue;
        ++t->failures;
        co_await sleep_for(std::chrono::milliseconds(1));
    }
}

awaitable<void> handshakes(bool resumes, std::uint16_t port, std::size_t time) {
    tally t;
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (int i = 0; i < 16; ++i) s.spawn(user(resumes, port, &t));
        co_await sleep_for(std::chrono::milliseconds(200));
        const tally before = t;
        const double cpu = cpu_seconds();
        co_await sleep_for(std::chrono::seconds(time));
        const auto n = static_cast<double>(t.done - before.done);
        fmt::print(
            "{:.0f} done, {:.0f} a second, {:.0f} resumed, {} failures, {:.2f} us of CPU each\n", n,
            n / static_cast<double>(time), static_cast<double>(t.resumed - before.resumed),
            t.failures, (cpu_seconds() - cpu) / n * 1e6);
        t.over = true;
        co_await sleep_for(std::chrono::milliseconds(50));
    });
}

/// One request on a connection that is kept, and a read that waits.
awaitable<void> hold(tls::client_config c, std::uint16_t port, std::size_t* open_now, event* end) {
    io::stream s = co_await open(std::move(c), port);
    co_await s.write(bytes::literal("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    std::string answer;
    std::array<char, 16> memory;
    while (!answer.ends_with("Hello, World!")) {
        const std::size_t n = co_await s.read(asio::buffer(memory));
        if (n == 0) throw failure(failure_kind::unavailable, "the server ended the connection");
        answer.append(memory.data(), n);
    }
    ++*open_now;
    co_await when_any(s.read(asio::buffer(memory)), end->wait());
}

awaitable<void> idle(std::uint16_t port, std::size_t count) {
    std::size_t open_now = 0;
    event end;
    const tls::client_config c = config(false);
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        const std::size_t heap = ::mallinfo2().uordblks;
        const std::size_t pages = resident();
        for (std::size_t i = 0; i < count; ++i) {
            s.spawn(hold(c, port, &open_now, &end));
            while (open_now + 64 <= i) co_await sleep_for(std::chrono::milliseconds(1));
        }
        while (open_now < count) co_await sleep_for(std::chrono::milliseconds(1));
        co_await sleep_for(std::chrono::milliseconds(100));
        fmt::print("{} idle connections: {} bytes of heap, {} bytes resident each\n", count,
                   (::mallinfo2().uordblks - heap) / count, (resident() - pages) / count);
        std::fflush(stdout);
        while (std::getchar() != EOF) continue;  // nothing else is to be done here
        end.set();
    });
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 4 ? argv[1] : "";
    const std::size_t n = argc == 4 ? number(argv[3]) : 0;
    if ((what != "full" && what != "resumed" && what != "idle") || n == 0) {
        fmt::print(stderr, "usage: tls_load full|resumed PORT SECONDS | idle PORT COUNT\n");
        return 2;
    }
    const auto port = static_cast<std::uint16_t>(number(argv[2]));
    if (what == "idle") return weft::run(idle(port, n));
    return weft::run(handshakes(what == "resumed", port, n));
}
