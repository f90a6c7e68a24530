// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../sanitizers.hpp"
#include "no_descriptors.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

awaitable<io::stream> dial(const net::tcp::listener& to) {
    const net::endpoint at = to.local_endpoint();
    net::connect_request request(
        at.address().is_unspecified() ? "127.0.0.1" : at.address().to_string(), at.port());
    return net::tcp::connect.serve(std::move(request));
}

/// A failure's kind, or nullopt when all went well.
template <class F>
std::optional<failure> refused(F f) {
    try {
        f();
        return std::nullopt;
    } catch (const failure& e) {
        return e;
    }
}

}  // namespace

TEST_CASE("addresses to listen on") {
    struct row {
        const char* text;
        const char* printed;
    };
    for (const row& r :
         {row{"127.0.0.1:80", "127.0.0.1:80"}, row{"0.0.0.0:0", "0.0.0.0:0"},
          row{"[::1]:443", "[::1]:443"}, row{"[::]:8080", "[::]:8080"}, row{":8080", "[::]:8080"},
          row{"*:65535", "[::]:65535"}, row{"localhost:1", "127.0.0.1:1"},
          row{"[2001:db8::7]:9", "[2001:db8::7]:9"}}) {
        INFO(r.text);
        CHECK(net::to_string(net::parse_endpoint(r.text)) == r.printed);
    }
    for (const char* bad :
         {"", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
          "::1:80", "[127.0.0.1]:80", "[::1]", "[]:80", "example.org:80", "1.2.3:80",
          "127.0.0.1: 80", "127.0.0.1:80 ", "[::1:80", "256.0.0.1:80"}) {
        INFO(bad);
        const auto f = refused([&] { static_cast<void>(net::parse_endpoint(bad)); });
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::invalid_input);
        CHECK(std::string(f->what()).find(std::string("\"") + bad + "\"") != std::string::npos);
    }
}

TEST_CASE("port 0 becomes a real port, and a taken one is named") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener first(ex, "127.0.0.1:0");
        CHECK(first.local_endpoint().port() != 0);
        const std::string taken = net::to_string(first.local_endpoint());
        const auto f = refused([&] { net::tcp::listener second(ex, taken); });
        REQUIRE(f);
        CHECK(f->code() == asio::error::address_in_use);
        CHECK(f->context("address") == taken);
    });
}

TEST_CASE("a connection holds its facts, and sends small writes at once") {
    for (const char* address : {"127.0.0.1:0", "0.0.0.0:0", ":0"}) {
        INFO(address);
        testing::run_real([address]() -> awaitable<void> {
            auto ex = co_await asio::this_coro::executor;
            net::tcp::listener listener(ex, address);
            io::stream client = co_await dial(listener);
            io::stream server = co_await listener.accept();
            auto* peer = server.extensions().get<net::peer_endpoint>();
            auto* local = server.extensions().get<net::local_endpoint>();
            auto* far = client.extensions().get<net::peer_endpoint>();
            auto* near = client.extensions().get<net::local_endpoint>();
            REQUIRE((peer && local && far && near));
            CHECK(peer->value == near->value);
            CHECK(local->value == far->value);
            CHECK(peer->value.address().is_v4());
            for (io::stream* s : {&client, &server}) {
                int nodelay = 0;
                socklen_t length = sizeof nodelay;
                CHECK(::getsockopt(s->native_socket(), IPPROTO_TCP, TCP_NODELAY, &nodelay,
                                   &length) == 0);
                CHECK(nodelay != 0);
            }
        });
    }
}

TEST_CASE("many clients are accepted, without suspending for each") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0");
        std::vector<io::stream> clients;
        for (int i = 0; i < 200; ++i) clients.push_back(co_await dial(listener));
        std::vector<io::stream> servers;
        for (int i = 0; i < 200; ++i) servers.push_back(co_await listener.accept());
        CHECK(listener.live() == 200);
        servers.clear();
        CHECK(listener.live() == 0);
    });
}

TEST_CASE("a closed listener gives what is queued, then nothing, then refuses") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0");
        io::stream a = co_await dial(listener);
        io::stream b = co_await dial(listener);
        listener.close();
        io::stream one = co_await listener.accept();
        io::stream two = co_await listener.accept();
        CHECK((one && two));
        io::stream none = co_await listener.accept();
        CHECK(!none);
        std::optional<failure> f;
        try {
            io::stream late = co_await dial(listener);
        } catch (const failure& e) {
            f = e;
        }
        REQUIRE(f);
        CHECK(f->code() == asio::error::connection_refused);
        CHECK(f->kind() == failure_kind::unavailable);
        CHECK(f->delivered() == delivery::not_sent);
        CHECK(f->context("host") == "127.0.0.1");
        CHECK(f->context("port"));
        CHECK(f->context("address"));
    });
}

TEST_CASE("a listener that is closed at its limit still gives what is queued") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0", {.max_connections = 1});
        io::stream a = co_await dial(listener);
        io::stream b = co_await dial(listener);
        io::stream one = co_await listener.accept();
        io::stream two;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([](net::tcp::listener& l, io::stream& out) -> awaitable<void> {
                out = co_await l.accept();
            }(listener, two));
            co_await sleep_for(1ms);
            listener.close();
            one.abort();
        });
        REQUIRE(two);
        two.abort();
        io::stream none = co_await listener.accept();
        CHECK(!none);
    });
}

TEST_CASE("a listener whose socket was handed over leaves the queue to who has it now") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::listen_socket socket("127.0.0.1:0");
        net::listener old(ex, socket.duplicate());
        net::listener next(ex, socket.duplicate());
        net::connect_request to("127.0.0.1", socket.local_endpoint().port());
        io::stream client = co_await net::tcp::connect.serve(std::move(to));
        socket.hand_over();
        old.close();
        io::stream none = co_await old.accept();
        CHECK(!none);
        io::stream server = co_await next.accept();
        CHECK(server);
    });
}

TEST_CASE("closing wakes who waits in accept") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0");
        int ended = 0;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 3; ++i)
                s.spawn([](net::tcp::listener& l, int& n) -> awaitable<void> {
                    io::stream none = co_await l.accept();
                    if (!none) ++n;
                }(listener, ended));
            co_await sleep_for(1ms);
            listener.close();
        });
        CHECK(ended == 3);
    });
}

TEST_CASE("a cancelled accept loses no connection") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0");
        std::optional<failure> f;
        try {
            io::stream s = co_await with_deadline(5ms, listener.accept());
        } catch (const failure& e) {
            f = e;
        }
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::timeout);
        io::stream client = co_await dial(listener);
        io::stream server = co_await listener.accept();
        CHECK(server);
    });
}

TEST_CASE("a cancelled accept keeps no context running") {
    asio::io_context context;
    net::tcp::listener listener(context.get_executor(), "127.0.0.1:0");
    bool ended = false;
    asio::co_spawn(
        context, [&]() -> awaitable<void> { co_await with_deadline(5ms, listener.accept()); },
        [&](std::exception_ptr e) { ended = e != nullptr; });
    context.run_for(10s);
    CHECK(ended);
    CHECK(context.stopped());
}

TEST_CASE("at the limit accepting waits for a connection to close") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0", {.max_connections = 2});
        std::vector<io::stream> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(co_await dial(listener));
        io::stream one = co_await listener.accept();
        io::stream two = co_await listener.accept();
        io::stream three;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([](net::tcp::listener& l, io::stream& out) -> awaitable<void> {
                out = co_await l.accept();
            }(listener, three));
            co_await sleep_for(5ms);
            CHECK(!three);
            one.abort();
        });
        CHECK(three);
        CHECK(listener.live() == 2);
    });
}

TEST_CASE("at the limit who keeps connections hears that another one waits, and only then") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0", {.max_connections = 1});
        io::stream kept;
        io::stream second;
        int asked = 0;
        listener.on_exhausted([&] {
            ++asked;
            kept.abort();
        });
        io::stream first_client = co_await dial(listener);
        kept = co_await listener.accept();
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([](net::tcp::listener& l, io::stream& out) -> awaitable<void> {
                out = co_await l.accept();
            }(listener, second));
            co_await sleep_for(5ms);
            CHECK(asked == 0);  // nobody wants to come in
            io::stream second_client = co_await dial(listener);
            while (!second) co_await sleep_for(1ms);
        });
        CHECK(asked == 1);
        CHECK(listener.live() == 1);
    });
}

TEST_CASE("who keeps connections is asked again while others wait, whatever ends meanwhile") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0", {.max_connections = 1});
        int asked = 0;
        listener.on_exhausted([&] { ++asked; });
        std::vector<io::stream> clients;
        for (int i = 0; i < 40; ++i) clients.push_back(co_await dial(listener));
        io::stream kept = co_await listener.accept();
        // One leaves each 20 ms, and another takes its place.
        while (asked < 3 && listener.live() == 1) {
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn([](net::tcp::listener& l, io::stream& out) -> awaitable<void> {
                    out = co_await l.accept();
                }(listener, kept));
                co_await sleep_for(20ms);
                kept.abort();
            });
            clients.pop_back();
        }
        CHECK(asked == 3);
    });
}

// UBSan's checks need descriptors of their own, and take their lack for a broken object.
#if !TEST_UNDER_UBSAN
TEST_CASE("without descriptors accepting pauses, does not spin, and goes on when one is free") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0");
        io::stream first_client = co_await dial(listener);
        io::stream first = co_await listener.accept();
        io::stream waiting_client = co_await dial(listener);
        std::optional<no_descriptors> none(std::in_place);
        io::stream second;
        rusage start{};
        rusage end{};
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([](net::tcp::listener& l, io::stream& out) -> awaitable<void> {
                out = co_await l.accept();
            }(listener, second));
            ::getrusage(RUSAGE_THREAD, &start);
            co_await sleep_for(250ms);
            ::getrusage(RUSAGE_THREAD, &end);
            CHECK(!second);
            // A connection of ours that closes wakes it early, long before the pause is over.
            first = io::stream();
        });
        none.reset();
        CHECK(second);
        const auto used = (end.ru_utime.tv_sec - start.ru_utime.tv_sec) * 1000000L +
                          (end.ru_utime.tv_usec - start.ru_utime.tv_usec) +
                          (end.ru_stime.tv_sec - start.ru_stime.tv_sec) * 1000000L +
                          (end.ru_stime.tv_usec - start.ru_stime.tv_usec);
        CHECK(used < 50'000);
    });
}

#endif

TEST_CASE("several listeners share an address, one per core") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener first(ex, "127.0.0.1:0", {.socket = {.reuse_port = true}});
        net::tcp::listener second(ex, first.local_endpoint(), {.socket = {.reuse_port = true}});
        int firsts = 0;
        int seconds = 0;
        std::vector<io::stream> streams;
        for (int i = 0; i < 64; ++i) streams.push_back(co_await dial(first));
        first.close();
        second.close();
        while (io::stream s = co_await first.accept()) ++firsts;
        while (io::stream s = co_await second.accept()) ++seconds;
        CHECK(firsts + seconds == 64);
        CHECK(firsts > 0);
        CHECK(seconds > 0);
    });
}

TEST_CASE("on a thread pool each connection has a strand of its own") {
    asio::thread_pool pool(4);
    net::tcp::listener listener(pool.get_executor(), "127.0.0.1:0");
    std::atomic<int> served = 0;
    constexpr int clients = 50;
    auto server = asio::co_spawn(
        pool,
        [](net::tcp::listener& l, std::atomic<int>& n) -> awaitable<void> {
            for (int i = 0; i < clients; ++i) {
                io::stream s = co_await l.accept();
                auto on = s.get_executor();
                asio::co_spawn(
                    on,
                    [](io::stream c, std::atomic<int>& count) -> awaitable<void> {
                        std::array<char, 64> memory;
                        while (std::size_t got = co_await c.read(asio::buffer(memory)))
                            co_await c.write(asio::buffer(memory.data(), got));
                        ++count;
                    }(std::move(s), n),
                    [](std::exception_ptr e) { CHECK(!e); });
            }
        }(listener, served),
        asio::use_future);
    std::vector<std::future<std::string>> answers;
    for (int i = 0; i < clients; ++i)
        answers.push_back(asio::co_spawn(
            asio::make_strand(pool),
            [](net::tcp::listener& l, int number) -> awaitable<std::string> {
                io::stream s = co_await dial(l);
                const std::string text = "client " + std::to_string(number);
                std::array<char, 64> memory;
                std::string got;
                for (int k = 0; k < 20; ++k) {
                    co_await s.write(asio::buffer(text));
                    got.clear();
                    while (got.size() < text.size()) {
                        const std::size_t n = co_await s.read(asio::buffer(memory));
                        got.append(memory.data(), n);
                    }
                }
                co_return got;
            }(listener, i),
            asio::use_future));
    for (int i = 0; i < clients; ++i)
        CHECK(answers[static_cast<std::size_t>(i)].get() == "client " + std::to_string(i));
    server.get();
    pool.join();
    CHECK(served == clients);
}

TEST_CASE("a context that ends early frees listener, accept and connections") {
    auto alive = std::make_shared<int>(0);
    for (bool serial : {false, true}) {
        asio::io_context ctx(1);
        context_info::of(ctx.get_executor()).set_serial(serial);
        asio::co_spawn(
            ctx,
            [](std::shared_ptr<int> token) -> awaitable<void> {
                auto ex = co_await asio::this_coro::executor;
                net::tcp::listener listener(ex, "127.0.0.1:0");
                io::stream client = co_await dial(listener);
                io::stream server = co_await listener.accept();
                ++*token;
                io::stream never = co_await listener.accept();
            }(alive),
            [alive](std::exception_ptr) {});
        for (int i = 0; i < 1000 && *alive == 0; ++i) ctx.run_one_for(10ms);
        for (int i = 0; i < 10; ++i) ctx.poll();
        CHECK(*alive == 1);
        *alive = 0;
    }
    CHECK(alive.use_count() == 1);
}
