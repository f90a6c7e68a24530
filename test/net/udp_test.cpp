// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/framed.hpp>
#include <weft/net/udp.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct numbers {
    void encode(int n, std::string& out) { out += std::to_string(n); }
    int decode(bytes frame) { return std::stoi(frame.str()); }
};
static_assert(net::decoder<numbers> && net::encoder<numbers, int>);

int option(const net::udp::socket& s, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    ::getsockopt(s.native_socket(), level, name, &value, &length);
    return value;
}

/// A port that nobody listens to.
awaitable<net::endpoint> nobody(const char* address) {
    net::udp::socket gone(co_await asio::this_coro::executor, address);
    co_return gone.local_endpoint();
}

}  // namespace

TEST_CASE("datagrams go there and back, over IPv4 and IPv6, bound and connected") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
            net::udp::socket server(ex, address);
            auto client = net::udp::socket::connected(ex, server.local_endpoint());
            CHECK(client.peer() == server.local_endpoint());
            co_await client.send(asio::buffer("ping", 4));
            std::array<char, 64> memory;
            auto got = co_await server.receive(asio::buffer(memory));
            CHECK(std::string_view(memory.data(), got.bytes) == "ping");
            CHECK(got.from == client.local_endpoint());
            CHECK(!got.truncated());
            co_await server.send_to(asio::buffer("pong!", 5), got.from);
            got = co_await client.receive(asio::buffer(memory));
            CHECK(std::string_view(memory.data(), got.bytes) == "pong!");
            CHECK(got.from == server.local_endpoint());
            // A datagram may be empty.
            co_await client.send(asio::const_buffer());
            got = co_await server.receive(asio::buffer(memory));
            CHECK(got.bytes == 0);
            CHECK(got.from == client.local_endpoint());
        }
    });
}

TEST_CASE("a datagram that is longer than the buffer is truncated and says how long it was") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::udp::socket server(ex, "127.0.0.1:0");
        auto client = net::udp::socket::connected(ex, server.local_endpoint());
        co_await client.send(asio::buffer("0123456789", 10));
        co_await client.send(asio::buffer("0123456789", 10));
        co_await client.send(asio::buffer("next", 4));
        std::array<char, 4> memory;
        auto got = co_await server.receive(asio::buffer(memory));
        CHECK(got.truncated());
        CHECK(got.bytes == 4);
        CHECK(got.size == 10);
        std::array<char, 4> other;
        std::array<net::udp::slot, 2> slots{net::udp::slot{asio::buffer(memory)},
                                            net::udp::slot{asio::buffer(other)}};
        const std::size_t n = co_await server.receive_batch(slots);
        REQUIRE(n == 2);
        CHECK(slots[0].result.truncated());
        CHECK(slots[0].result.size == 10);
        CHECK(!slots[1].result.truncated());
        CHECK(std::string_view(other.data(), 4) == "next");
    });
}

TEST_CASE("receiving waits, ends in time, is cancelled without loss, and refuses a second one") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::udp::socket server(ex, "127.0.0.1:0");
        auto client = net::udp::socket::connected(ex, server.local_endpoint());
        std::array<char, 64> memory;
        for (int i = 0; i < 3; ++i) {
            auto late = co_await attempt(with_deadline(3ms, server.receive(asio::buffer(memory))));
            REQUIRE(!late);
            CHECK(late.error().kind() == failure_kind::timeout);
        }
        auto send = [&]() -> awaitable<void> {
            co_await sleep_for(2ms);
            auto second = co_await attempt(server.receive(asio::buffer(memory)));
            REQUIRE(!second);
            CHECK(second.error().code() == asio::error::already_started);
            co_await client.send(asio::buffer("late", 4));
        };
        auto [got, nothing] = co_await when_all(server.receive(asio::buffer(memory)), send());
        CHECK(got.bytes == 4);
    });
}

TEST_CASE("closing or destroying a socket ends what is pending") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        for (const bool destroy : {false, true}) {
            auto server = std::make_unique<net::udp::socket>(ex, "127.0.0.1:0");
            net::udp::socket* const s = server.get();
            std::array<char, 8> memory;
            auto wait = [&]() -> awaitable<void> {
                auto r = co_await attempt(s->receive(asio::buffer(memory)));
                REQUIRE(!r);
                CHECK(r.error().kind() == failure_kind::cancelled);
            };
            auto end = [&]() -> awaitable<void> {
                co_await sleep_for(1ms);
                if (destroy)
                    server.reset();
                else
                    s->close();
            };
            co_await when_all(wait(), end());
            if (destroy) continue;
            auto after = co_await attempt(s->send_to(asio::buffer("x", 1), net::endpoint()));
            CHECK(!after);
        }
    });
    auto alive = std::make_shared<int>(0);
    {
        asio::io_context ctx(1);
        asio::co_spawn(
            ctx,
            [](std::shared_ptr<int>) -> awaitable<void> {
                net::udp::socket socket(co_await asio::this_coro::executor, "127.0.0.1:0");
                std::array<char, 8> memory;
                co_await socket.receive(asio::buffer(memory));
            }(alive),
            [alive](std::exception_ptr) {});
        ctx.poll();
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("an ICMP error is an unavailable failure that names the peer, once; the socket goes on") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
            const net::endpoint to = co_await nobody(address);
            auto client = net::udp::socket::connected(ex, to);
            std::array<char, 64> memory;
            for (int i = 0; i < 2; ++i) {
                co_await client.send(asio::buffer("anybody?", 8));
                auto r = co_await attempt(client.receive(asio::buffer(memory)));
                REQUIRE(!r);
                CHECK(r.error().kind() == failure_kind::unavailable);
                CHECK(r.error().domain() == failure_domain::transport);
                CHECK(r.error().code() == asio::error::connection_refused);
                CHECK(r.error().context("address") == net::to_string(to));
                REQUIRE(r.error().context("icmp"));
                CHECK(r.error().context("icmp")->starts_with("port unreachable"));
            }
            net::udp::socket back(ex, to);
            co_await back.send_to(asio::buffer("here", 4), client.local_endpoint());
            const auto got = co_await client.receive(asio::buffer(memory));
            CHECK(got.bytes == 4);
        }
    });
}

TEST_CASE("a socket that is not connected hears of ICMP errors only when it asks to") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const net::endpoint to = co_await nobody("127.0.0.1:0");
        std::array<char, 64> memory;
        net::udp::socket quiet(ex, "127.0.0.1:0");
        co_await quiet.send_to(asio::buffer("x", 1), to);
        auto r = co_await attempt(with_deadline(5ms, quiet.receive(asio::buffer(memory))));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);

        net::udp::socket curious(ex, "127.0.0.1:0", {.icmp_errors = true});
        co_await curious.send_to(asio::buffer("x", 1), to);
        r = co_await attempt(curious.receive(asio::buffer(memory)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().context("address") == net::to_string(to));
    });
}

TEST_CASE("what cannot be sent is refused, with its size or the entry that failed") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::udp::socket server(ex, "127.0.0.1:0");
        net::udp::socket socket(ex, "127.0.0.1:0");
        const std::string large(70'000, 'x');
        auto r = co_await attempt(socket.send_to(asio::buffer(large), server.local_endpoint()));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::invalid_input);
        CHECK(r.error().context("size") == "70000");
        r = co_await attempt(socket.send(asio::buffer("x", 1)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::invalid_input);
        const std::array<net::udp::outgoing, 3> batch{
            net::udp::outgoing{asio::buffer("a", 1), server.local_endpoint()},
            net::udp::outgoing{asio::buffer(large), server.local_endpoint()},
            net::udp::outgoing{asio::buffer("c", 1), server.local_endpoint()}};
        r = co_await attempt(socket.send_batch(batch));
        REQUIRE(!r);
        CHECK(r.error().context("sent") == "1");
        CHECK(r.error().context("size") == "70000");
    });
}

TEST_CASE("batches move many datagrams, in order") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::udp::socket server(ex, "127.0.0.1:0", {.socket = {.receive_buffer = 4'000'000}});
        auto client = net::udp::socket::connected(ex, server.local_endpoint());
        std::vector<std::string> texts;
        for (int i = 0; i < 150; ++i) texts.push_back("datagram " + std::to_string(i));
        std::vector<net::udp::outgoing> batch;
        for (const std::string& t : texts) batch.push_back({asio::buffer(t)});
        co_await client.send_batch(batch);
        std::vector<std::array<char, 32>> memory(100);
        std::vector<net::udp::slot> slots;
        for (auto& m : memory) slots.push_back({asio::buffer(m)});
        std::size_t next = 0;
        while (next < texts.size()) {
            const std::size_t n = co_await server.receive_batch(slots);
            CHECK(n >= 1);
            CHECK(n <= net::udp::max_batch);
            for (std::size_t i = 0; i < n; ++i) {
                CHECK(std::string_view(memory[i].data(), slots[i].result.bytes) == texts[next++]);
                CHECK(slots[i].result.from == client.local_endpoint());
            }
        }
        const std::size_t none = co_await server.receive_batch({});
        CHECK(none == 0);
    });
}

TEST_CASE("the system cuts a large buffer into datagrams, and may hand them over as one") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        for (const bool coalesce : {false, true}) {
            net::udp::socket server(ex, "127.0.0.1:0", {.coalesce = coalesce});
            auto client = net::udp::socket::connected(ex, server.local_endpoint());
            std::string text;
            for (int i = 0; i < 10'500; ++i) text += static_cast<char>('a' + i % 26);
            const net::udp::outgoing one{asio::buffer(text), {}, 1000};
            co_await client.send_batch({&one, 1});
            std::string all;
            std::vector<char> memory(65'535);
            int calls = 0;
            while (all.size() < text.size()) {
                const auto got = co_await server.receive(asio::buffer(memory));
                ++calls;
                if (!coalesce) CHECK(got.bytes == (all.size() < 10'000 ? 1000 : 500));
                if (got.bytes > 1000) CHECK(got.segment == 1000);
                CHECK(!got.truncated());
                all.append(memory.data(), got.bytes);
            }
            CHECK(all == text);
            CHECK(calls == (coalesce ? 1 : 11));
        }
    });
}

TEST_CASE("paced sending keeps the rate, across sockets that share it") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto& clock = context_info::of(ex).clock();
        net::udp::socket server(ex, "127.0.0.1:0");
        const io::bandwidth rate(1'000'000, 1'000);
        const net::udp::options paced{.pace = rate};
        auto one = net::udp::socket::connected(ex, server.local_endpoint(), paced);
        auto two = net::udp::socket::connected(ex, server.local_endpoint(), paced);
        const std::string text(1000, 'x');
        const auto begun = clock.now();
        auto send = [&](net::udp::socket& s) -> awaitable<void> {
            for (int i = 0; i < 10; ++i) co_await s.send(asio::buffer(text));
        };
        co_await when_all(send(one), send(two));
        // 20,000 bytes less the burst at a million a second.
        CHECK(clock.now() - begun >= 19ms);
    });
}

TEST_CASE("socket options of UDP are read back, and those that do not apply are named") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
            const bool v6 = address[0] == '[';
            net::udp::options o;
            o.socket.reuse_port = true;
            o.socket.bind_device = "lo";
            o.socket.freebind = true;
            o.socket.traffic_class = std::uint8_t{40};
            o.socket.send_buffer = 20'000;
            o.socket.receive_buffer = 30'000;
            o.socket.v6_only = v6;
            const net::udp::socket s(ex, address, o);
            CHECK(option(s, SOL_SOCKET, SO_REUSEPORT) == 1);
            CHECK(option(s, SOL_SOCKET, SO_SNDBUF) == 40'000);
            CHECK(option(s, SOL_SOCKET, SO_RCVBUF) == 60'000);
            CHECK(option(s, IPPROTO_IP, IP_TOS) == 40);
            if (v6) {
                CHECK(option(s, IPPROTO_IPV6, IPV6_FREEBIND) == 1);
                CHECK(option(s, IPPROTO_IPV6, IPV6_TCLASS) == 40);
                CHECK(option(s, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
            } else {
                CHECK(option(s, IPPROTO_IP, IP_FREEBIND) == 1);
            }
            const auto refused = [&](auto ask, std::string_view name) {
                net::udp::options bad;
                ask(bad.socket);
                try {
                    const net::udp::socket never(ex, address, bad);
                    FAIL("accepted ", name);
                } catch (const failure& f) {
                    CHECK(f.kind() == failure_kind::invalid_input);
                    CHECK(f.context("option") == name);
                }
            };
            refused([](auto& so) { so.keepalive.emplace(); }, "keepalive");
            refused([](auto& so) { so.user_timeout = 1s; }, "user_timeout");
            refused([](auto& so) { so.linger = 0s; }, "linger");
            refused([](auto& so) { so.fastopen = 1; }, "fastopen");
            refused([](auto& so) { so.congestion_control = "reno"; }, "congestion_control");
            refused([](auto& so) { so.notsent_lowat = 1; }, "notsent_lowat");
        }
    });
}

TEST_CASE("a name is resolved and connected to, and no name is unavailable") {
    testing::run_real([]() -> awaitable<void> {
        auto s = co_await net::udp::connect("localhost", 9);
        REQUIRE(s.peer());
        CHECK(s.peer()->port() == 9);
        auto r = co_await attempt(net::udp::connect("no such host", 9));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().context("host") == "no such host");
    });
}

TEST_CASE(
    "a framed socket sends and receives messages; what is none is a failure, and it goes on") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::framed server(net::udp::socket(ex, "127.0.0.1:0"), numbers(), 8);
        auto at = server.socket().local_endpoint();
        net::framed client(net::udp::socket::connected(ex, at), numbers());
        co_await client.send(41);
        auto got = co_await server.receive();
        CHECK(got.value == 41);
        co_await server.send_to(got.value + 1, got.from);
        got = co_await client.receive();
        CHECK(got.value == 42);
        for (const char* bad : {"no number", "x"}) {
            co_await client.socket().send(asio::buffer(bad, std::string_view(bad).size()));
            auto r = co_await attempt(server.receive());
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::protocol);
            CHECK(r.error().context("peer") == net::to_string(client.socket().local_endpoint()));
        }
        co_await client.send(7);
        got = co_await server.receive();
        CHECK(got.value == 7);
    });
}
