// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What happens after a fault: partitions that heal, hosts that come back, names with several
// addresses.
#include "network_world.hpp"
#include <weft/http/client.hpp>
#include <weft/http/serve.hpp>

using namespace network_world;

namespace {

clock::time_point now_of(const io::stream& s) {
    return context_info::of(s.get_executor()).clock().now();
}

}  // namespace

TEST_CASE("what waited for a partition arrives when it heals, in order") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({.latency = 10ms}, {.latency = 10ms});
        const auto begun = now_of(w.client);
        co_await w.client.write(bytes(std::string("one ")));
        w.net.partition("a", "b");
        co_await w.client.write(bytes(std::string("two")));
        w.client.close();
        std::array<char, 16> memory;
        auto nothing = co_await attempt(with_deadline(60s, w.server.read(asio::buffer(memory))));
        CHECK(!nothing);
        w.net.heal();
        const std::string got = co_await read_all(w.server);
        CHECK(got == "one two");
        // A whole way again, and the limit's tick.
        CHECK(now_of(w.server) - begun >= 60s + 10ms);
        CHECK(now_of(w.server) - begun <= 60s + 20ms);
    });
}

TEST_CASE("a connect outlives a partition that heals in time") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        auto listener = net.host("b").listen(80);
        net.partition("a", "b");
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                co_await sleep_for(5s);
                net.heal("a", "b");
            });
            auto& time = context_info::of(co_await asio::this_coro::executor).clock();
            const auto begun = time.now();
            io::stream made =
                co_await net.host("a").connector().serve(net::connect_request("b", 80));
            CHECK(made);
            CHECK(time.now() - begun == 7s);  // asked at 0, 1, 3 and 7 s
        });
    });
}

TEST_CASE("a one-way partition carries the other way, which is not acknowledged until it heals") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({}, {}, {.capacity = 1000});
        w.net.partition_one_way("b", "a");
        io::error_code ec;
        const std::string data(3000, 'x');
        CHECK(w.client.try_write(asio::buffer(data), ec) == 1000);
        std::array<char, 2000> memory;
        std::size_t n = co_await w.server.read(asio::buffer(memory));
        CHECK(n == 1000);
        CHECK(w.client.try_write(asio::buffer(data), ec) == 0);
        CHECK(ec == asio::error::would_block);
        w.net.heal();
        CHECK(w.client.try_write(asio::buffer(data), ec) == 1000);
        w.server.abort();
    });
}

TEST_CASE("a sender that hears nothing gives up, and its peer stays half open") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({}, {}, {.retransmit_limit = 60s});
        w.net.partition("a", "b");
        const auto begun = now_of(w.client);
        co_await w.client.write(bytes(std::string("lost")));
        std::array<char, 16> memory;
        auto r = co_await attempt(w.client.read(asio::buffer(memory)));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::timed_out);
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(now_of(w.client) - begun == 60s);
        w.net.heal();
        auto other = co_await attempt(with_deadline(1h, w.server.read(asio::buffer(memory))));
        CHECK(!other);
    });
}

TEST_CASE("a partition that heals in time takes the clock back") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({}, {}, {.retransmit_limit = 60s});
        for (int i = 0; i < 3; ++i) {
            w.net.partition("a", "b");
            co_await w.client.write(bytes(std::string("x")));
            co_await sleep_for(50s);
            w.net.heal();
        }
        w.client.close();
        const std::string got = co_await read_all(w.server);
        CHECK(got == "xxx");
    });
}

TEST_CASE("who sends to a host that has restarted is reset") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({.latency = 10ms}, {.latency = 10ms});
        w.net.vanish("b");
        co_await sleep_for(10s);
        w.net.restart("b");
        const auto begun = now_of(w.client);
        co_await w.client.write(bytes(std::string("are you there?")));
        std::array<char, 16> memory;
        auto r = co_await attempt(w.client.read(asio::buffer(memory)));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_reset);
        CHECK(now_of(w.client) - begun == 20ms);
        auto old = co_await attempt(w.server.read(asio::buffer(memory)));
        REQUIRE(!old);
        CHECK(old.error().code() == asio::error::connection_aborted);
        // Its listener listens again.
        io::stream made = co_await w.net.host("a").connector().serve(net::connect_request("b", 80));
        CHECK(made);
    });
}

TEST_CASE("what was sent while a host was away is reset when it comes back") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({.latency = 10ms}, {.latency = 10ms});
        w.net.vanish("b");
        co_await w.client.write(bytes(std::string("are you there?")));
        co_await sleep_for(10s);
        w.net.restart("b");
        std::array<char, 16> memory;
        auto r = co_await attempt(w.client.read(asio::buffer(memory)));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_reset);
    });
}

TEST_CASE("a reset still arrives where the bytes before it were cut off") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({}, {.truncate_at = 4});
        co_await w.server.write(bytes::literal("0123456789"));
        const std::string got = co_await read_all(w.client);
        CHECK(got == "0123");
        co_await w.client.write(bytes::literal("still here"));
        w.server.abort();
        auto r = co_await attempt(w.client.write(bytes::literal("and now?")));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::broken_pipe);
    });
}

TEST_CASE("a name without addresses of the family that is asked for is known all the same") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        static_cast<void>(net.host("b"));
        const auto names = net.host("a").resolver();
        auto v6 = co_await attempt(names.serve(net::resolve_request("b", net::address_family::v6)));
        REQUIRE(!v6);
        CHECK(v6.error().code() == asio::error::no_data);
        auto nobody =
            co_await attempt(names.serve(net::resolve_request("c", net::address_family::v6)));
        REQUIRE(!nobody);
        CHECK(nobody.error().code() == asio::error::host_not_found);
    });
}

TEST_CASE("the addresses of a name are tried in order, and the failures are told") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        auto listener = net.host("third").listen(80);
        static_cast<void>(net.host("second"));  // nobody listens there
        net.set_link("a", "first", {.connect = testing::connecting::lost});
        net.set_name("shop.test", {net.host("first").address(), "second", "third"});
        auto& time = context_info::of(co_await asio::this_coro::executor).clock();
        const auto begun = time.now();
        auto connect = net.host("a").connector({.address_timeout = 2s});
        io::stream made = co_await connect.serve(net::connect_request("shop.test", 80));
        auto* peer = made.extensions().get<net::peer_endpoint>();
        REQUIRE(peer);
        CHECK(peer->value.address().to_string() == net.host("third").address());
        CHECK(time.now() - begun >= 2s);
        CHECK(time.now() - begun <= 2s + deadlines::tick);

        net.set_name("shop.test", {"first", "second"});
        auto r = co_await attempt(connect.serve(net::connect_request("shop.test", 80)));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_refused);
        CHECK(r.error().context("host") == "shop.test");
        CHECK(r.error().context("address") == net.host("second").address() + ":80");
        REQUIRE(r.error().cause());
        CHECK(r.error().cause()->kind() == failure_kind::timeout);
        CHECK(r.error().delivered() == delivery::not_sent);
    });
}

TEST_CASE("conditions that change take hold of connections that stand") {
    testing::run([]() -> awaitable<void> {
        world w = co_await connected({}, {});
        co_await w.client.write(bytes(std::string("0123456789")));
        w.net.set_link("a", "b", {.reset_at = 5});  // passed already: now
        auto r = co_await attempt(read_all(w.server));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_reset);
        CHECK(w.net.log().find("reset at byte 10") != std::string::npos);
        CHECK(w.net.link("a", "b").reset_at == 5u);
    });
}

TEST_CASE("a client with a pool gets over a restart of its server") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        net.set_links("a", "b", {.latency = 5ms});
        auto hello = [](http::request) -> awaitable<http::response> {
            co_return http::text("hello");
        };
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(http::serve(net.host("b").listen(80), hello));
            http::client client{net.host("a").connector(), {.response_timeout = 5s}};
            http::response first = co_await client.get("http://b/").send();
            std::string text = co_await first.body().text();
            net.vanish("b");
            auto lost = co_await attempt(client.get("http://b/").send());
            REQUIRE(!lost);
            CHECK(lost.error().kind() == failure_kind::timeout);
            net.restart("b");
            http::response again = co_await client.get("http://b/").send();
            text = co_await again.body().text();
            CHECK(text == "hello");
            co_await client.close();
        });
    });
}
