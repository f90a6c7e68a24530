// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "resolvers.hpp"
#include <weft/dns/connector.hpp>
#include <weft/dns/happy_eyeballs.hpp>
#include <weft/net/tcp.hpp>
#include <weft/testing/fault_plan.hpp>
#include <weft/testing/network.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

using namespace resolvers;

static_assert(service<layered<dns::happy_eyeballs, net::tcp::connector>, net::connect_request>);

namespace {

constexpr auto lost = testing::link_conditions{.connect = testing::connecting::lost};
constexpr auto refused = testing::link_conditions{.connect = testing::connecting::refused};

/// A client, and a shop with two hosts over IPv6 and two over IPv4, all of which listen.
struct world {
    explicit world(asio::any_io_executor ex) : net(std::move(ex)) {
        const std::pair<const char*, const char*> hosts[] = {{"six1", "2001:db8::1"},
                                                             {"six2", "2001:db8::2"},
                                                             {"four1", "192.0.2.1"},
                                                             {"four2", "192.0.2.2"}};
        std::vector<std::string> all;
        for (const auto& [host, address] : hosts) {
            net.add_address(host, address);
            listeners.push_back(net.host(host).listen(80));
            all.emplace_back(address);
        }
        net.set_name("shop.test", all);
    }

    auto connector(dns::happy_eyeballs_options o = {}) {
        auto client = net.host("client");
        return dns::happy_eyeballs(client.resolver(), o) >> client.connector();
    }

    testing::network net;
    std::vector<testing::network_listener> listeners;
};

const net::connect_attempts& attempts_of(const io::stream& s) {
    const auto* found = s.extensions().get<net::connect_attempts>();
    REQUIRE(found);
    return *found;
}

/// Connects, and says what was tried, or the failure's kind and what was tried.
template <class Connector>
awaitable<std::string> story(const Connector& connect, std::string host = "shop.test") {
    net::connect_request to(std::move(host), 80);
    auto r = co_await attempt(connect.serve(std::move(to)));
    if (r) co_return to_string(attempts_of(*r));
    const auto* tried = r.error().template detail<net::connect_attempts>();
    co_return std::string(to_string(r.error().kind())) + ": " + (tried ? to_string(*tried) : "");
}

}  // namespace

TEST_CASE("IPv6 is tried first and wins when it answers") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.set_links("client", "six1", {.latency = 20ms});
        CHECK(co_await story(w.connector()) == "[2001:db8::1]:80 connected after 40 ms");
    });
}

TEST_CASE(
    "a silent address gets company every 250 ms, families taking turns; losers are cancelled") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.set_link("client", "six1", lost);
        w.net.set_link("client", "four1", lost);
        w.net.set_link("client", "six2", lost);
        w.net.set_links("client", "four2", {.latency = 30ms});
        const std::string tried = co_await story(w.connector());
        CHECK(tried ==
              "[2001:db8::1]:80 abandoned after 810 ms; 192.0.2.1:80 abandoned after 560 ms; "
              "[2001:db8::2]:80 abandoned after 310 ms; 192.0.2.2:80 connected after 60 ms");
        co_await sleep_for(5s);
        const std::string log = w.net.log();
        CHECK(log.substr(log.find("client >")) ==
              "client > six1:80 connect, lost\n"
              "0.250000000 - client > four1:80 connect, lost\n"
              "0.500000000 - client > six2:80 connect, lost\n"
              "0.750000000 - client > four2:80 connect\n"
              "0.810000000 #1 client:49152 > four2:80 established\n"
              "0.810000000 #1 client:49152 > four2:80 end sent\n"
              "0.840000000 #1 four2:80 > client:49152 accepted\n"
              "0.840000000 #1 client:49152 > four2:80 end arrives\n");
    });
}

TEST_CASE("an address that fails is followed at once") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.set_link("client", "six1", refused);
        w.net.set_link("client", "four1", refused);
        CHECK(co_await story(w.connector()) ==
              "[2001:db8::1]:80 failed after 0 ms (Connection refused); "
              "192.0.2.1:80 failed after 0 ms (Connection refused); "
              "[2001:db8::2]:80 connected after 0 ms");
    });
}

TEST_CASE("the slower one may still win") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.set_links("client", "six1", {.latency = 150ms});
        w.net.set_links("client", "four1", {.latency = 100ms});
        CHECK(co_await story(w.connector()) ==
              "[2001:db8::1]:80 connected after 300 ms; 192.0.2.1:80 abandoned after 50 ms");
        // The loser never becomes a connection; the winner's lies in its listener's queue.
        co_await sleep_for(10s);
        CHECK(w.net.connections() == 1);
    });
}

TEST_CASE("IPv4 addresses that come first wait 50 ms for those of IPv6, and no longer") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.delay_name("shop.test", net::address_family::v6, 40ms);
        CHECK(co_await story(w.connector()) == "[2001:db8::1]:80 connected after 0 ms");
        w.net.delay_name("shop.test", net::address_family::v6, 10s);
        auto connect = w.connector();
        net::connect_request to("shop.test", 80);
        const auto begun = co_await now();
        io::stream s = co_await connect.serve(std::move(to));
        CHECK(co_await now() - begun == 50ms);
        CHECK(attempts_of(s).tried[0].began == 50ms);
        CHECK(attempts_of(s).resolved_after == 0ms);
        CHECK(attempts_of(s).from == net::answer_source::network);
        CHECK(to_string(attempts_of(s)) == "192.0.2.1:80 connected after 0 ms");
    });
}

TEST_CASE("IPv6 addresses wait for nobody, and late ones are tried too") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.delay_name("shop.test", net::address_family::v4, 400ms);
        w.net.set_link("client", "six1", lost);
        w.net.set_link("client", "six2", lost);
        CHECK(co_await story(w.connector()) ==
              "[2001:db8::1]:80 abandoned after 500 ms; [2001:db8::2]:80 abandoned after 250 ms; "
              "192.0.2.1:80 connected after 0 ms");
        w.net.delay_name("shop.test", net::address_family::v4, 0ms);
        w.net.delay_name("shop.test", net::address_family::v6, 100ms);
        w.net.set_link("client", "four1", lost);
        w.net.set_link("client", "six1", {});
        CHECK(co_await story(w.connector()) ==
              "192.0.2.1:80 abandoned after 250 ms; [2001:db8::1]:80 connected after 0 ms");
    });
}

TEST_CASE("a family that cannot be resolved holds nobody up") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.set_name("four.test", {"192.0.2.1"});
        w.net.set_name("six.test", {"2001:db8::2"});
        const auto begun = co_await now();
        CHECK(co_await story(w.connector(), "four.test") == "192.0.2.1:80 connected after 0 ms");
        CHECK(co_await story(w.connector(), "six.test") == "[2001:db8::2]:80 connected after 0 ms");
        CHECK(co_await now() == begun);
    });
}

TEST_CASE("when all fail, each address and why is told; the last one's failure is the kind") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        for (const char* host : {"six1", "six2", "four1"}) w.net.set_link("client", host, refused);
        w.net.set_link("client", "four2", lost);
        auto connect = w.connector();
        net::connect_request to("shop.test", 80);
        auto r = co_await attempt(connect.serve(std::move(to)));
        REQUIRE(!r);
        const failure& f = r.error();
        CHECK(f.kind() == failure_kind::timeout);
        CHECK(f.domain() == failure_domain::transport);
        CHECK(f.delivered() == delivery::not_sent);
        CHECK(f.context("host") == "shop.test");
        CHECK(f.context("port") == "80");
        CHECK(f.context("address") == "192.0.2.2:80");
        CHECK(f.context("tried") ==
              "[2001:db8::1]:80 failed after 0 ms (Connection refused); "
              "192.0.2.1:80 failed after 0 ms (Connection refused); "
              "[2001:db8::2]:80 failed after 0 ms (Connection refused); "
              "192.0.2.2:80 failed after 10000 ms (no answer within 10 s)");
        REQUIRE(f.detail<net::connect_attempts>());
        CHECK(f.detail<net::connect_attempts>()->tried.size() == 4);
        int causes = 0;
        for (const failure* c = f.cause(); c; c = c->cause()) ++causes;
        CHECK(causes == 3);
    });
}

TEST_CASE("of a name without addresses the failure is the resolver's, the one that says most") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        auto connect = w.connector();
        net::connect_request to("nowhere.test", 80);
        auto r = co_await attempt(connect.serve(std::move(to)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(dns::is_missing(r.error()));
        CHECK(r.error().context("host") == "nowhere.test");
        CHECK(r.error().context("port") == "80");
        CHECK(r.error().delivered() == delivery::not_sent);

        dns::resolver half = [](net::resolve_request what) -> awaitable<dns::answer> {
            if (what.family == net::address_family::v6)
                throw failure(failure_kind::unavailable, asio::error::no_data, "no IPv6");
            throw failure(failure_kind::timeout, asio::error::timed_out, "the server is away");
            co_return dns::answer();
        };
        auto other = dns::happy_eyeballs(half) >> w.net.host("client").connector();
        net::connect_request again("x.test", 80);
        r = co_await attempt(other.serve(std::move(again)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
    });
}

TEST_CASE("cancelled in the middle, it ends at once and leaves nothing") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        for (const char* host : {"six1", "six2", "four1", "four2"})
            w.net.set_link("client", host, lost);
        const auto begun = co_await now();
        auto connect = w.connector();
        net::connect_request to("shop.test", 80);
        auto r = co_await attempt(with_deadline(400ms, connect.serve(std::move(to))));
        CHECK(co_await now() - begun == 400ms);
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
        const std::string log = w.net.log();
        co_await sleep_for(1h);
        CHECK(w.net.log() == log);
    });
}

TEST_CASE("the request's own deadline holds, while resolving and while connecting") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.delay_name("slow.test", 1h);
        w.net.set_link("client", "four1", lost);
        for (const char* host : {"slow.test", "192.0.2.1"}) {
            CAPTURE(host);
            const auto begun = co_await now();
            net::connect_request to(host, 80);
            to.extensions().insert(deadline{begun + 300ms});
            auto connect = w.connector();
            auto r = co_await attempt(connect.serve(std::move(to)));
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::timeout);
            CHECK(r.error().context("host") == host);
            CHECK(r.error().delivered() == delivery::not_sent);
            CHECK(co_await now() - begun == 300ms);
            if (host == std::string_view("192.0.2.1"))
                CHECK(r.error().context("tried") == "192.0.2.1:80 abandoned after 300 ms");
        }
    });
}

TEST_CASE("options: one family only, the other one first, other delays, a bound on addresses") {
    testing::run([]() -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        CHECK(co_await story(w.connector({.only = net::address_family::v4})) ==
              "192.0.2.1:80 connected after 0 ms");
        w.net.delay_name("shop.test", net::address_family::v4, 30ms);
        CHECK(co_await story(w.connector({.prefer = net::address_family::v4})) ==
              "192.0.2.1:80 connected after 0 ms");
        w.net.delay_name("shop.test", net::address_family::v4, 0ms);
        for (const char* host : {"six1", "six2", "four1", "four2"})
            w.net.set_link("client", host, lost);
        CHECK(co_await story(w.connector({.attempt_delay = 1s,
                                          .address_timeout = 2s,
                                          .prefer = net::address_family::v4,
                                          .max_addresses = 2})) ==
              "timeout: 192.0.2.1:80 failed after 2002 ms (no answer within 2 s); "
              "[2001:db8::1]:80 failed after 2002 ms (no answer within 2 s)");
        CHECK(co_await story(w.connector({.address_timeout = 1s, .only = net::address_family::v6}),
                             "four1") == "unavailable: ");
    });
}

TEST_CASE("the connector below is asked for addresses, with forks of the request's extensions") {
    testing::run([]() -> awaitable<void> {
        struct asked {
            std::string host, scheme, fact;
        };
        std::vector<asked> seen;
        auto below = [&](net::connect_request to) -> awaitable<io::stream> {
            const auto* fact = to.extensions().get<std::string>();
            seen.push_back({to.host, to.scheme, fact ? *fact : ""});
            to.extensions().insert(7);
            throw failure(failure_kind::exhausted, "no");
            co_return io::stream();
        };
        dns::resolver names = [](net::resolve_request what) -> awaitable<dns::answer> {
            CHECK(what.extensions().get<std::string>());
            CHECK(what.port == 443);
            dns::answer a;
            if (what.family == net::address_family::v6)
                a.addresses = {asio::ip::make_address("2001:db8::1"),
                               asio::ip::make_address("::ffff:192.0.2.1"),
                               asio::ip::make_address("2001:db8::1")};
            else
                a.addresses = {asio::ip::make_address("192.0.2.1")};
            co_return a;
        };
        auto connect = dns::happy_eyeballs(names) >> below;
        net::connect_request to("shop.test", 443);
        to.scheme = "https";
        to.extensions().insert(std::string("fact"));
        auto r = co_await attempt(connect.serve(std::move(to)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::exhausted);
        REQUIRE(seen.size() == 2);
        CHECK(seen[0].host == "2001:db8::1");
        CHECK(seen[1].host == "192.0.2.1");
        CHECK(seen[1].scheme == "https");
        CHECK(seen[1].fact == "fact");
    });
}

TEST_CASE("every wait of it may fail, be late or be cancelled") {
    auto report = testing::fault_plan().replay([](testing::fault_run& run) -> awaitable<void> {
        world w(co_await asio::this_coro::executor);
        w.net.set_link("client", "six1", lost);
        auto client = w.net.host("client");
        dns::resolver names = dns::cache() >> client.resolver();
        net::connector connect = dns::happy_eyeballs(names) >> client.connector();
        auto connects = [](net::connector c) -> awaitable<void> {
            net::connect_request to("shop.test", 80);
            io::stream s = co_await c.serve(std::move(to));
            if (attempts_of(s).tried.empty()) throw failure(failure_kind::internal, "no record");
        };
        co_await run.disturb(connects(connect));
        co_await sleep_for(2h);
        co_await connects(connect);
        co_await sleep_for(1s);
    });
    CHECK(report.runs > 20);
    CHECK(report.succeeded > 0);
    CHECK(report.failures > 0);
}

TEST_CASE("over real TCP, on several threads") {
    asio::thread_pool pool(3);
    auto one = []() -> awaitable<int> {
        auto ex = serialized(co_await asio::this_coro::executor);
        net::tcp::listener listener(ex, "127.0.0.1:0");
        net::connector connect = dns::connector();
        int good = 0;
        for (int i = 0; i < 20; ++i) {
            // Nothing listens on ::1, so the first attempt is refused.
            net::connect_request to("localhost", listener.local_endpoint().port());
            io::stream s = co_await connect.serve(std::move(to));
            const auto& tried = *s.extensions().get<net::connect_attempts>();
            if (tried.tried.back().address.address().is_v4() &&
                tried.from == net::answer_source::special)
                ++good;
        }
        co_return good;
    };
    std::vector<std::future<int>> all;
    for (int i = 0; i < 6; ++i) all.push_back(asio::co_spawn(pool, one(), asio::use_future));
    for (auto& f : all) CHECK(f.get() == 20);
    pool.join();
}
