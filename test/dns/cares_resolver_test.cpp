// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../sanitizers.hpp"
#include "name_server.hpp"
#include <weft/dns/cache.hpp>
#include <weft/dns/cares_resolver.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <future>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace resolvers;
using family = net::address_family;

namespace {

dns::cares_options only(const net::endpoint& server) {
    dns::cares_options o;
    o.servers = {server};
    o.query_timeout = 25ms;
    o.tries = 2;
    o.hosts_file = false;
    o.search = false;
    return o;
}

/// Runs `body(server, resolver)` beside a name server.
template <class F>
void with_server(F body) {
    if (!dns::has_cares()) return;
    testing::run_real([&]() -> awaitable<void> {
        name_server server(co_await asio::this_coro::executor);
        const dns::cares_resolver names(only(server.endpoint()));
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve_udp());
            s.spawn(server.serve_tcp());
            co_await body(server, names);
        });
    });
}

}  // namespace

TEST_CASE("c-ares: addresses with their time to live, of one family or of both") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        server.names["a.test"] = {.addresses = {"192.0.2.1", "192.0.2.2", "2001:db8::1"},
                                  .ttl = 300};
        dns::answer found = co_await ask(names, "a.test", family::v4);
        CHECK(found.addresses.size() == 2);
        CHECK(found.addresses[0].is_v4());
        CHECK(found.ttl == 300s);
        CHECK(found.from == net::answer_source::server);
        found = co_await ask(names, "a.test", family::v6);
        CHECK(text_of(found) == "2001:db8::1");
        found = co_await ask(names, "a.test");
        CHECK(found.addresses.size() == 3);
        CHECK(server.over_tcp == 0);
    });
}

TEST_CASE("c-ares: the time to live of an alias counts, and where it leads is told") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        server.names["www.test"] = {
            .addresses = {"192.0.2.1"}, .ttl = 100, .alias_of = "real.test"};
        dns::answer found = co_await ask(names, "www.test", family::v4);
        CHECK(found.ttl == 50s);
        CHECK(found.canonical_name == "real.test");
    });
}

TEST_CASE("c-ares: what a server says, and does not say, is classified") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        server.names["four.test"] = {.addresses = {"192.0.2.1"}};
        server.names["broken.test"] = {.code = 2};
        server.names["refused.test"] = {.code = 5};
        server.names["silent.test"] = {.silent = true};
        server.names["garbage.test"] = {.addresses = {"192.0.2.1"}, .garbage = true};
        server.names["strange.test"] = {.addresses = {"192.0.2.1"}, .other_id = true};
        struct row {
            const char* name;
            family f;
            failure_kind kind;
            boost::system::error_code code;
        };
        for (const row& r : {
                 row{"nowhere.test", family::any, failure_kind::unavailable,
                     asio::error::host_not_found},
                 row{"four.test", family::v6, failure_kind::unavailable, asio::error::no_data},
                 row{"broken.test", family::v4, failure_kind::unavailable,
                     asio::error::host_not_found_try_again},
                 row{"silent.test", family::v4, failure_kind::timeout, asio::error::timed_out},
                 row{"garbage.test", family::v4, failure_kind::protocol, asio::error::no_recovery},
                 row{"strange.test", family::v4, failure_kind::timeout, asio::error::timed_out},
             }) {
            CAPTURE(r.name);
            auto got = co_await attempt(ask(names, r.name, r.f));
            REQUIRE(!got);
            CAPTURE(got.error().what());
            CHECK(got.error().kind() == r.kind);
            CHECK(got.error().code() == r.code);
            CHECK(got.error().context("host") == r.name);
            CHECK(got.error().domain() == failure_domain::transport);
            CHECK(got.error().delivered() == delivery::not_sent);
        }
        // Some releases of c-ares say that the server refused, others that none could answer.
        auto refused = co_await attempt(ask(names, "refused.test", family::v4));
        REQUIRE(!refused);
        CHECK((refused.error().kind() == failure_kind::rejected ||
               refused.error().kind() == failure_kind::unavailable));
        CHECK(!dns::is_missing(refused.error()));
    });
}

TEST_CASE("c-ares: an answer that was cut off is had over TCP") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        behaviour& b = server.names["big.test"];
        b.truncated = true;
        for (int i = 1; i <= 60; ++i) b.addresses.push_back("192.0.2." + std::to_string(i));
        dns::answer found = co_await ask(names, "big.test", family::v4);
        CHECK(found.addresses.size() == 60);
        CHECK(server.over_tcp == 1);
    });
}

TEST_CASE("c-ares: a late answer still counts, unless the time is up") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        server.names["late.test"] = {.addresses = {"192.0.2.1"}, .late = 10ms};
        dns::answer found = co_await ask(names, "late.test", family::v4);
        CHECK(found.addresses.size() == 1);
        server.names["silent.test"] = {.silent = true};
        net::resolve_request hurried("silent.test", family::v4);
        hurried.extensions().insert(deadline{co_await now() + 5ms});
        auto r = co_await attempt(names.serve(std::move(hurried)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(r.error().context("host") == "silent.test");
    });
}

TEST_CASE("c-ares: cancelling returns at once and closes its sockets") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        server.names["silent.test"] = {.silent = true};
        auto asked = [&]() -> awaitable<void> {
            while (server.over_udp == 0) co_await sleep_for(1ms);
        };
        auto r = co_await when_any(ask(names, "silent.test"), asked());
        CHECK(r.index == 1);
    });
}

TEST_CASE("c-ares: so many questions at once and no more") {
    if (!dns::has_cares()) return;
    testing::run_real([]() -> awaitable<void> {
        name_server server(co_await asio::this_coro::executor);
        server.names["silent.test"] = {.silent = true};
        server.names["a.test"] = {.addresses = {"192.0.2.1"}};
        dns::cares_options o = only(server.endpoint());
        o.questions = 2;
        const dns::cares_resolver names(o);
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve_udp());
            auto three = co_await when_all(attempt(ask(names, "silent.test", family::v4)),
                                           attempt(ask(names, "silent.test", family::v4)),
                                           attempt(ask(names, "a.test", family::v4)));
            CHECK(std::get<0>(three).error().kind() == failure_kind::timeout);
            CHECK(std::get<1>(three).error().kind() == failure_kind::timeout);
            CHECK(std::get<2>(three).error().kind() == failure_kind::exhausted);
            dns::answer found = co_await ask(names, "a.test", family::v4);
            CHECK(found.addresses.size() == 1);
        };
        co_await with_scope(body);
    });
}

TEST_CASE("c-ares: a server that is not there is unavailable") {
    if (!dns::has_cares()) return;
    testing::run_real([]() -> awaitable<void> {
        net::endpoint nobody;
        {
            net::udp::socket gone(co_await asio::this_coro::executor, "127.0.0.1:0");
            nobody = gone.local_endpoint();
        }
        const dns::cares_resolver names(only(nobody));
        auto r = co_await attempt(ask(names, "a.test", family::v4));
        REQUIRE(!r);
        CHECK((r.error().kind() == failure_kind::unavailable ||
               r.error().kind() == failure_kind::timeout));
        CHECK(!dns::is_missing(r.error()));
    });
}

TEST_CASE("c-ares: behind a cache, a hundred questions are one") {
    with_server([](name_server& server, const dns::cares_resolver& names) -> awaitable<void> {
        server.names["a.test"] = {.addresses = {"192.0.2.1"}};
        auto cached = dns::cache() >> names;
        std::vector<awaitable<dns::answer>> all;
        for (int i = 0; i < 100; ++i) all.push_back(ask(cached, "a.test", family::v4));
        auto found = co_await when_all(std::move(all));
        CHECK(found.size() == 100);
        CHECK(server.over_udp == 1);
    });
}

TEST_CASE("c-ares: a context that ends with its question open destroys it") {
    if (!dns::has_cares()) return;
    auto alive = std::make_shared<int>(0);
    {
        asio::io_context ctx(1);
        net::udp::socket silent(ctx.get_executor(), "127.0.0.1:0");
        const dns::cares_resolver names(only(silent.local_endpoint()));
        auto body = [](dns::cares_resolver r, std::shared_ptr<int>) -> awaitable<void> {
            net::resolve_request what("a.test");
            co_await r.serve(std::move(what));
        };
        asio::co_spawn(ctx, body(names, alive), [](std::exception_ptr) {});
        ctx.poll();
    }
    CHECK(alive.use_count() == 1);
}

// UBSan's checks need descriptors of their own, and take their lack for a broken object.
#if !TEST_UNDER_UBSAN
TEST_CASE("c-ares: a socket that the event loop cannot take is a failure, and c-ares stays whole") {
    if (!dns::has_cares()) return;
    int one_left = 0;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int silent = ::socket(AF_INET, SOCK_DGRAM, 0);
    REQUIRE(silent >= 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(silent, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    socklen_t size = sizeof at;
    REQUIRE(::getsockname(silent, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    // Room for c-ares' socket, and none for the epoll descriptor that Asio makes for its first one.
    one_left = ::dup(silent);
    ::close(one_left);
    auto body = [&]() -> awaitable<void> {
        const dns::cares_resolver names(
            only(net::endpoint(asio::ip::address_v4::loopback(), ntohs(at.sin_port))));
        rlimit tight = before;
        tight.rlim_cur = static_cast<rlim_t>(one_left) + 1;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
        auto r = co_await attempt(ask(names, "a.test", family::v4));
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        REQUIRE(!r);
        CAPTURE(r.error().what());
        CHECK(r.error().code() == asio::error::no_descriptors);
        CHECK(r.error().context("host") == "a.test");
        CHECK(r.error().delivered() == delivery::not_sent);
    };
    testing::run(body);
    ::close(silent);
}
#endif

TEST_CASE("c-ares: one resolver on several threads") {
    if (!dns::has_cares()) return;
    asio::thread_pool pool(3);
    auto one = []() -> awaitable<int> {
        auto ex = serialized(co_await asio::this_coro::executor);
        name_server server(ex);
        server.names["a.test"] = {.addresses = {"192.0.2.1"}};
        dns::cares_options o = only(server.endpoint());
        o.query_timeout = 1s;
        const dns::cares_resolver names(o);
        co_return co_await with_scope([&](task_scope& s) -> awaitable<int> {
            s.spawn_on(ex, server.serve_udp());
            int good = 0;
            for (int i = 0; i < 20; ++i) {
                auto r = co_await attempt(ask(names, "a.test", family::v4));
                if (r) ++good;
            }
            co_return good;
        });
    };
    std::vector<std::future<int>> all;
    for (int i = 0; i < 4; ++i) all.push_back(asio::co_spawn(pool, one(), asio::use_future));
    for (auto& f : all) CHECK(f.get() == 20);
    pool.join();
}
