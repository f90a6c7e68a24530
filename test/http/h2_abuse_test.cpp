// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What costs an attacker little and a server much: each ends with the attacker cut off, the memory
// given back, and somebody else served all the while.
#include "h2_peer.hpp"
#include <weft/runtime/event.hpp>

#include <cstdio>

#include <malloc.h>

using namespace h2;

namespace {

struct attack {
    const char* name;
    std::string begins;                               // once
    std::function<std::string(std::uint32_t)> again;  // what is sent over and over
    std::size_t most = 20'000;                        // times, by then it must be over
    bool reads = true;                                // the answers
};

/// The times it took, or nothing when the attacker was never cut off.
struct outcome {
    std::size_t times = 0;
    bool cut_off = false;
    long code = -1;
    std::size_t served = 0;
    std::size_t calls = 0;
    std::size_t memory = 0;  // more than before, at most
};

std::size_t in_use() { return mallinfo2().uordblks; }

outcome run_attack(const attack& a, http::server_options options = {}) {
    outcome o;
    testing::run([&]() -> awaitable<void> {
        auto app = [&o](http::request r) -> awaitable<http::response> {
            ++o.calls;
            const std::uint64_t size = co_await r.body().discard();
            co_return http::text(std::string(1000, 'x') + std::to_string(size));
        };
        http::server server(app, options);
        const auto ex = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(ex, 64 * 1024);
        auto [good_near, good_far] = io::duplex(ex, 64 * 1024);
        frame_peer attacker(std::move(near));
        frame_peer bystander(std::move(good_near));
        io::stream attacked = std::move(far);
        io::stream other = std::move(good_far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(attacked)));
            s.spawn(server.serve(std::move(other)));
            (void)co_await bystander.say(greeting());
            (void)co_await attacker.say(greeting() + a.begins);
            const std::size_t before = in_use();
            std::uint32_t asked = 1;
            bool taken = true;
            while (taken && o.times < a.most && !attacker.ended()) {
                std::string bytes;
                for (int i = 0; i < 100; ++i)
                    bytes += a.again(static_cast<std::uint32_t>(o.times++));
                auto said = co_await attempt(with_deadline(1s, attacker.say(std::move(bytes))));
                taken = said && *said;
                if (a.reads) {
                    co_await attacker.listen(1ms);
                    attacker.got.erase(attacker.got.begin(), attacker.got.size() > 4
                                                                 ? attacker.got.end() - 4
                                                                 : attacker.got.begin());
                }
                o.memory = std::max(o.memory, in_use() - std::min(in_use(), before));
                if (o.times % 500 == 100) {
                    (void)co_await bystander.say(headers(asked));
                    co_await bystander.listen(1ms);
                    if (bystander.find(HEADERS, asked)) ++o.served;
                    asked += 2;
                }
            }
            co_await attacker.listen(60s);
            o.code = attacker.goaway_code();
            for (int i = 0; i < 100 && server.connections() > 1; ++i) co_await sleep_for(1s);
            o.cut_off = server.connections() == 1 || attacker.ended();
            (void)co_await bystander.say(headers(asked));
            co_await bystander.listen();
            if (bystander.find(HEADERS, asked)) ++o.served;
            attacker.wire.stream.close();
            bystander.wire.stream.close();
        });
    });
    std::printf("%-24s cut off after %6zu, %5zu calls, at most %7zu bytes more, bystander %zu\n",
                a.name, o.times, o.calls, o.memory, o.served);
    return o;
}

void check_cut_off(const attack& a, std::size_t memory = 1 << 20,
                   http::server_options options = {}) {
    INFO(std::string(a.name));
    const outcome o = run_attack(a, std::move(options));
    CHECK(o.cut_off);
    if (a.reads) CHECK(o.times < a.most);
    CHECK(o.served > 0);
    CHECK(o.memory < memory);
    if (a.reads) CHECK(o.code > 0);
}

std::uint32_t stream(std::uint32_t n) { return 2 * n + 1; }

}  // namespace

TEST_CASE("HTTP/2: floods end the connection, and nobody else's") {
    check_cut_off({"rapid reset", "", [](std::uint32_t n) {
                       return headers(stream(n), post, END_HEADERS) + rst(stream(n));
                   }});
    check_cut_off({"SETTINGS", "", [](std::uint32_t) { return settings({{3, 100}}); }});
    check_cut_off({"PING", "", [](std::uint32_t) { return ping(); }});
    check_cut_off(
        {"PING acknowledgements", "", [](std::uint32_t) { return ping("12345678", ACK); }});
    check_cut_off({"PRIORITY", "", [](std::uint32_t n) {
                       return frame(PRIORITY, NONE, stream(n), number(0, 4) + number(1, 1));
                   }});
    check_cut_off({"unknown frames", "", [](std::uint32_t) { return frame(0x42, 0, 0, ""); }});
    check_cut_off({"empty DATA", headers(1, post, END_HEADERS),
                   [](std::uint32_t) { return data(1, "", NONE); }});
    check_cut_off({"DATA of padding", headers(1, post, END_HEADERS), [](std::uint32_t) {
                       return frame(DATA, PADDED, 1, std::string("\x05\0\0\0\0\0", 6));
                   }});
    check_cut_off({"CONTINUATION", frame(HEADERS, END_STREAM, 1, block(get)), [](std::uint32_t) {
                       return frame(CONTINUATION, NONE, 1, block({{"x", "y"}}));
                   }});
    check_cut_off({"empty CONTINUATION", frame(HEADERS, END_STREAM, 1, block(get)),
                   [](std::uint32_t) { return frame(CONTINUATION, NONE, 1, ""); }});
    check_cut_off({"WINDOW_UPDATE", "", [](std::uint32_t) { return window_update(0, 1); }});
}

TEST_CASE("HTTP/2: answers that nobody takes do not pile up") {
    http::server_options options;
    options.h2.limits.pings = {1'000'000, 1'000'000};
    const attack a{"PING, never reading", "", [](std::uint32_t) { return ping(); }, 20'000, false};
    const outcome o = run_attack(a, options);
    CHECK(o.cut_off);
    CHECK(o.times < a.most);
    CHECK(o.served > 0);
    CHECK(o.memory < 1 << 20);
}

TEST_CASE("HTTP/2: streams that break the rules count as reset") {
    // Made to be reset by the server itself, which is no cheaper for it.
    check_cut_off({"made to be reset", "", [](std::uint32_t n) {
                       return headers(stream(n), post, END_HEADERS) + window_update(stream(n), 0);
                   }});
    check_cut_off({"malformed requests", "", [](std::uint32_t n) {
                       return headers(stream(n), with(get, {{"connection", "close"}}));
                   }});
}

TEST_CASE("HTTP/2: a header section that is far too large is not read to its end") {
    // One large entry in the dynamic table, asked for over and over.
    std::string bomb = block(get) + "\x40\x01x" + "\x7f" + std::string("\xa1\x1e", 2);
    bomb += std::string(4000, 'v');
    for (int i = 0; i < 8000; ++i) bomb += '\xbe';
    check_cut_off({"HPACK bomb", frame(HEADERS, END_STREAM | END_HEADERS, 1, bomb),
                   [](std::uint32_t) { return ping(); }});
}

TEST_CASE("HTTP/2: who never opens the window is given up") {
    http::server_options options;
    options.write_timeout = 5s;
    options.idle_timeout = 5s;
    const outcome o = run_attack(
        {"zero window", settings({{4, 0}}),
         [](std::uint32_t n) { return n < 100 ? headers(stream(n)) : std::string(); }, 200},
        options);
    CHECK(o.cut_off);
    CHECK(o.served > 0);
    CHECK(o.memory < 4 << 20);
}

TEST_CASE("HTTP/2: a window that is opened byte by byte does not hold a stream for ever") {
    http::server_options options;
    options.write_timeout = 2s;
    options.idle_timeout = 5s;
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::text(std::string(10'000, 'x'));
    };
    with_h2_server(app, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + settings({{4, 0}}) + headers(1));
        int seconds = 0;
        while (!p.find(RST_STREAM, 1) && seconds < 100) {
            (void)co_await p.say(window_update(1, 1));
            co_await p.listen(500ms);
            co_await sleep_for(500ms);
            ++seconds;
        }
        CHECK(seconds < 10);
        p.wire.stream.close();
    });
}

TEST_CASE("HTTP/2: more streams than are allowed are refused, and the others answered") {
    http::server_options options;
    options.h2.max_concurrent_streams = 3;
    event go;
    auto app = [&](http::request) -> awaitable<http::response> {
        co_await go.wait();
        co_return http::text("ok");
    };
    with_h2_server(app, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting());
        co_await p.listen();
        (void)co_await p.say(headers(1) + headers(3) + headers(5) + headers(7));
        co_await p.listen();
        const seen* refused = p.find(RST_STREAM, 7);
        REQUIRE((refused || p.ended()));
        if (refused) CHECK(number_at(refused->payload, 0) == REFUSED_STREAM);
        go.set();
        co_await p.listen();
        if (!p.ended())
            for (std::uint32_t id : {1u, 3u, 5u}) CHECK(p.content(id) == "ok");
        p.wire.stream.close();
    });
}

TEST_CASE("HTTP/2: a header section that trickles in is cut off in time") {
    http::server_options options;
    options.header_timeout = 3s;
    for (const bool whole_flag : {true, false}) {
        with_h2_server(peers::hello, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
            (void)co_await p.say(greeting());
            const std::string bytes =
                headers(1, get, END_STREAM | (whole_flag ? END_HEADERS : NONE));
            int seconds = 0;
            for (std::size_t i = 0; !p.ended() && seconds < 30; ++seconds) {
                if (i + 1 < bytes.size()) (void)co_await p.say(bytes.substr(i++, 1));
                co_await p.listen(1s);
            }
            CHECK(seconds < 8);
            CHECK(p.goaway_code() == ENHANCE_YOUR_CALM);
            p.wire.stream.close();
        });
    }
}
