// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "resolvers.hpp"
#include <weft/dns/cache.hpp>
#include <weft/dns/default_resolver.hpp>
#include <weft/dns/special_names.hpp>
#include <weft/runtime/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <thread>

using namespace resolvers;

namespace {

/// Its first question is not answered for an hour, the others at once.
dns::resolver first_never(std::shared_ptr<int> asked) {
    return [asked](net::resolve_request) -> awaitable<dns::answer> {
        if (++*asked == 1) co_await sleep_for(1h);
        dns::answer a;
        a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
        co_return a;
    };
}

/// Asks on a context that runs until the question is on its way, and no longer.
void ask_on(asio::io_context& other, const dns::resolver& names, std::string what,
            const int& asked) {
    asio::co_spawn(other, ask(names, std::move(what)), [](std::exception_ptr, dns::answer) {});
    while (asked == 0) other.poll_one();
}

}  // namespace

static_assert(service<layered<dns::cache, dns::resolver>, net::resolve_request>);

TEST_CASE("an answer is kept for its time to live, and says what is left of it") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s}};
        dns::cache kept;
        auto cached = kept >> names;
        dns::answer first = co_await cached.serve(net::resolve_request("shop.test"));
        CHECK(first.from == net::answer_source::server);
        CHECK(first.ttl == 60s);
        co_await sleep_for(20s);
        dns::answer second = co_await cached.serve(net::resolve_request("SHOP.test"));
        CHECK(second.from == net::answer_source::cache);
        CHECK(second.ttl == 40s);
        CHECK(second.addresses == first.addresses);
        co_await sleep_for(39s + 900ms);
        second = co_await cached.serve(net::resolve_request("shop.test"));
        CHECK(second.ttl == 0s);
        CHECK(names.asked() == 1);
        CHECK(kept.stats().hits == 2);
        CHECK(kept.stats().misses == 1);
    });
}

TEST_CASE("what is too old even to be stale is asked for again") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 10s}};
        auto cached = dns::cache({.stale_for = 0s}) >> names;
        co_await ask(cached, "a.test");
        co_await sleep_for(10s);
        dns::answer again = co_await ask(cached, "a.test");
        CHECK(again.from == net::answer_source::server);
        CHECK(names.asked() == 2);
    });
}

TEST_CASE("a time to live has a cap and a floor, and one that is unknown a default") {
    struct row {
        std::optional<std::chrono::seconds> ttl;
        std::chrono::seconds kept_for;
    };
    for (const row& r : {row{3600s, 100s}, row{1s, 5s}, row{0s, 5s}, row{std::nullopt, 30s}}) {
        testing::run([&]() -> awaitable<void> {
            scripted names;
            names.plan = {{.ttl = r.ttl}};
            dns::cache kept({.max_ttl = 100s, .min_ttl = 5s, .stale_for = 0s});
            auto cached = kept >> names;
            co_await ask(cached, "a.test");
            co_await sleep_for(r.kept_for - 1ms);
            co_await ask(cached, "a.test");
            CHECK(names.asked() == 1);
            co_await sleep_for(1ms);
            co_await ask(cached, "a.test");
            CHECK(names.asked() == 2);
        });
    }
}

TEST_CASE("an answer that lives for no time is not kept") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 0s}};
        dns::cache kept;
        auto cached = kept >> names;
        co_await ask(cached, "a.test");
        co_await ask(cached, "a.test");
        CHECK(names.asked() == 2);
        CHECK(kept.stats().entries == 0);
    });
}

TEST_CASE("families are asked for and kept apart") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s}};
        dns::cache kept;
        auto cached = kept >> names;
        for (const auto f : {net::address_family::any, net::address_family::v4,
                             net::address_family::v6, net::address_family::v4})
            co_await cached.serve(net::resolve_request("a.test", f));
        CHECK(names.asked() == 3);
        kept.forget("A.test");
        CHECK(kept.stats().entries == 0);
    });
}

TEST_CASE("a name with the root's dot is another question than one without") {
    testing::run([]() -> awaitable<void> {
        auto asked = std::make_shared<std::vector<std::string>>();
        dns::resolver names = [asked](net::resolve_request what) -> awaitable<dns::answer> {
            asked->push_back(what.name);
            dns::answer a;
            a.ttl = 60s;
            a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
            co_return a;
        };
        dns::cache kept;
        auto cached = dns::special_names() >> kept >> names;
        // The one may be completed from a search list, the other is not.
        for (const char* name : {"Api.Test", "api.test.", "api.test", "API.test."})
            co_await ask(cached, name);
        CHECK(*asked == std::vector<std::string>{"api.test", "api.test."});
        kept.forget("api.test.");
        CHECK(kept.stats().entries == 0);
    });
}

TEST_CASE("that there is no such name is kept, as long as it is to be") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.error = asio::error::host_not_found}};
        dns::cache kept({.negative_ttl = 10s});
        auto cached = kept >> names;
        auto first = co_await attempt(cached.serve(net::resolve_request("gone.test")));
        auto second = co_await attempt(cached.serve(net::resolve_request("gone.test")));
        REQUIRE(!second);
        CHECK(dns::is_missing(second.error()));
        CHECK(second.error().what() == std::string(first.error().what()));
        CHECK(names.asked() == 1);
        co_await sleep_for(10s);
        second = co_await attempt(cached.serve(net::resolve_request("gone.test")));
        CHECK(names.asked() == 2);
    });
}

TEST_CASE("a server's failure is kept for a second, a fault of this process not at all") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.error = asio::error::host_not_found_try_again}};
        auto cached = dns::cache() >> names;
        for (int i = 0; i < 3; ++i)
            CHECK(!co_await attempt(cached.serve(net::resolve_request("a.test"))));
        CHECK(names.asked() == 1);
        co_await sleep_for(1s);
        CHECK(!co_await attempt(cached.serve(net::resolve_request("a.test"))));
        CHECK(names.asked() == 2);

        scripted full;
        full.plan = {{.error = asio::error::no_memory}};
        auto other = dns::cache() >> full;
        for (int i = 0; i < 3; ++i)
            CHECK(!co_await attempt(other.serve(net::resolve_request("a.test"))));
        CHECK(full.asked() == 3);
    });
}

TEST_CASE("who asks for what is being asked already shares the answer") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s, .takes = 1s}};
        dns::cache kept;
        auto cached = kept >> names;
        std::vector<awaitable<dns::answer>> all;
        for (int i = 0; i < 100; ++i) all.push_back(ask(cached, "a.test"));
        auto found = co_await when_all(std::move(all));
        CHECK(found.size() == 100);
        CHECK(names.asked() == 1);
        CHECK(kept.stats().shared == 99);
        CHECK(kept.stats().asking == 0);
    });
}

TEST_CASE("all who share a question share its failure") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.error = asio::error::host_not_found, .takes = 1s}};
        auto cached = dns::cache() >> names;
        auto both =
            co_await when_all(attempt(ask(cached, "a.test")), attempt(ask(cached, "a.test")));
        CHECK(!std::get<0>(both));
        CHECK(!std::get<1>(both));
        CHECK(names.asked() == 1);
    });
}

TEST_CASE("the question goes on when the one who asked first is cancelled, at once") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s, .takes = 1s}};
        auto cached = dns::cache() >> names;
        clock::duration gave_up{};
        const auto begun = co_await now();
        auto first = [&]() -> awaitable<void> {
            auto r = co_await attempt(with_deadline(100ms, ask(cached, "a.test")));
            CHECK(r.error().kind() == failure_kind::timeout);
            gave_up = co_await now() - begun;
        };
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(first);
            co_await sleep_for(1ms);
            dns::answer found = co_await ask(cached, "a.test");
            CHECK(found.from == net::answer_source::server);
        });
        CHECK(gave_up < 105ms);
        CHECK(co_await now() - begun == 1s);
        CHECK(names.asked() == 1);
        CHECK(names.cancelled() == 0);
    });
}

TEST_CASE("a question for which nobody waits any more is cancelled, and the next one asks anew") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s, .takes = 10s}};
        dns::cache kept;
        auto cached = kept >> names;
        auto r = co_await attempt(when_all(with_deadline(100ms, ask(cached, "a.test")),
                                           with_deadline(200ms, ask(cached, "a.test"))));
        CHECK(!r);
        co_await sleep_for(1ms);
        CHECK(names.cancelled() == 1);
        CHECK(kept.stats().asking == 0);
        co_await ask(cached, "a.test");
        CHECK(names.asked() == 2);
    });
}

TEST_CASE("the deadline of a request ends its wait and nobody else's") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s, .takes = 1s}};
        auto cached = dns::cache() >> names;
        net::resolve_request hurried("a.test");
        hurried.extensions().insert(deadline{co_await now() + 100ms});
        auto both = co_await when_all(attempt(cached.serve(std::move(hurried))),
                                      attempt(ask(cached, "a.test")));
        REQUIRE(!std::get<0>(both));
        CHECK(std::get<0>(both).error().kind() == failure_kind::timeout);
        CHECK(std::get<0>(both).error().context("host") == "a.test");
        CHECK(std::get<1>(both));
        CHECK(names.asked() == 1);
    });
}

TEST_CASE("a stale answer is given at once and asked for anew in the background") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 10s}, {.ttl = 10s, .takes = 2s, .address = "192.0.2.2"}};
        dns::cache kept({.stale_for = 60s});
        auto cached = kept >> names;
        co_await ask(cached, "a.test");
        co_await sleep_for(15s);
        const auto begun = co_await now();
        dns::answer old = co_await ask(cached, "a.test");
        CHECK(co_await now() == begun);
        CHECK(old.from == net::answer_source::stale_cache);
        CHECK(old.ttl == 0s);
        CHECK(old.addresses[0].to_string() == "192.0.2.1");
        co_await sleep_for(1s);
        old = co_await ask(cached, "a.test");
        CHECK(old.from == net::answer_source::stale_cache);
        co_await sleep_for(2s);
        dns::answer fresh = co_await ask(cached, "a.test");
        CHECK(fresh.from == net::answer_source::cache);
        CHECK(fresh.addresses[0].to_string() == "192.0.2.2");
        CHECK(names.asked() == 2);
        CHECK(kept.stats().stale == 2);
    });
}

TEST_CASE("a stale answer outlives questions that fail, but not the news that the name is gone") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 10s},
                      {.error = asio::error::host_not_found_try_again},
                      {.error = asio::error::host_not_found}};
        auto cached = dns::cache({.failure_ttl = 5s, .stale_for = 60s}) >> names;
        co_await ask(cached, "a.test");
        co_await sleep_for(11s);
        co_await ask(cached, "a.test");
        co_await sleep_for(1s);
        CHECK(names.asked() == 2);
        dns::answer still = co_await ask(cached, "a.test");
        CHECK(still.from == net::answer_source::stale_cache);
        co_await sleep_for(1s);
        CHECK(names.asked() == 2);  // not again before failure_ttl is over
        co_await sleep_for(4s);
        co_await ask(cached, "a.test");
        co_await sleep_for(1s);
        CHECK(names.asked() == 3);
        auto gone = co_await attempt(ask(cached, "a.test"));
        REQUIRE(!gone);
        CHECK(dns::is_missing(gone.error()));
    });
}

TEST_CASE("the least recently used name makes room") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 60s}};
        dns::cache kept({.max_entries = 3});
        auto cached = kept >> names;
        for (const char* n : {"a.test", "b.test", "c.test", "a.test", "d.test"})
            co_await ask(cached, n);
        CHECK(kept.stats().entries == 3);
        CHECK(kept.stats().evicted == 1);
        CHECK(names.asked() == 4);
        co_await ask(cached, "a.test");
        CHECK(names.asked() == 4);
        co_await ask(cached, "b.test");
        CHECK(names.asked() == 5);
        kept.clear();
        CHECK(kept.stats().entries == 0);
    });
}

TEST_CASE("what was asked before a cache was cleared is told to who asked, and not kept") {
    testing::run([]() -> awaitable<void> {
        for (const bool all : {true, false}) {
            scripted names;
            names.plan = {{.ttl = 60s, .takes = 1s},
                          {.ttl = 60s, .takes = 1s, .address = "192.0.2.2"}};
            dns::cache kept;
            auto cached = kept >> names;
            auto early = [&]() -> awaitable<void> {
                dns::answer found = co_await ask(cached, "a.test");
                CHECK(text_of(found) == "192.0.2.1");
            };
            auto late = [&]() -> awaitable<void> {
                co_await sleep_for(500ms);
                if (all)
                    kept.clear();
                else
                    kept.forget("a.test");
                dns::answer found = co_await ask(cached, "a.test");
                CHECK(text_of(found) == "192.0.2.2");
            };
            co_await when_all(early(), late());
            dns::answer found = co_await ask(cached, "a.test");
            CHECK(text_of(found) == "192.0.2.2");
            CHECK(found.from == net::answer_source::cache);
            CHECK(names.asked() == 2);
            CHECK(kept.stats().asking == 0);
        }
    });
}

TEST_CASE("a question in the background is over when the cache is cleared") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 1s}, {.ttl = 60s, .takes = 1h, .address = "192.0.2.2"}};
        dns::cache kept;
        auto cached = kept >> names;
        co_await ask(cached, "a.test");
        co_await sleep_for(2s);
        co_await ask(cached, "a.test");
        co_await sleep_for(1ms);
        CHECK(names.asked() == 2);
        kept.clear();
        co_await sleep_for(1ms);
        CHECK(names.cancelled() == 1);
        CHECK(kept.stats().entries == 0);
    });
}

TEST_CASE("a question in the background that is not answered is given up") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 1s}, {.ttl = 60s, .takes = 1h}};
        dns::cache kept;
        auto cached = kept >> names;
        co_await ask(cached, "a.test");
        co_await sleep_for(2s);
        co_await ask(cached, "a.test");
        co_await sleep_for(5s + 10ms);
        CHECK(names.cancelled() == 1);
        dns::answer still = co_await ask(cached, "a.test");
        CHECK(still.from == net::answer_source::stale_cache);
    });
}

TEST_CASE("of an answer without end so many addresses are kept as anybody could try") {
    testing::run([]() -> awaitable<void> {
        dns::resolver many = [](net::resolve_request) -> awaitable<dns::answer> {
            dns::answer a;
            a.ttl = 60s;
            for (unsigned i = 0; i < 4000; ++i)
                a.addresses.emplace_back(asio::ip::address_v4(0x0a000000 + i));
            co_return a;
        };
        dns::cache kept;
        auto cached = kept >> many;
        for (int i = 0; i < 2; ++i) {
            dns::answer found = co_await ask(cached, "a.test");
            CHECK(found.addresses.size() == 64);
            CHECK(found.addresses[63].to_string() == "10.0.0.63");
        }
    });
}

TEST_CASE("a cache that goes while it asks in the background leaves nothing behind") {
    testing::run([]() -> awaitable<void> {
        scripted names;
        names.plan = {{.ttl = 1s}, {.ttl = 1s, .takes = 1h}};
        {
            auto cached = dns::cache() >> names;
            co_await ask(cached, "a.test");
            co_await sleep_for(2s);
            co_await ask(cached, "a.test");
            co_await sleep_for(1ms);
            CHECK(names.asked() == 2);
        }
        co_await sleep_for(1ms);
        CHECK(names.cancelled() == 1);
    });
}

TEST_CASE(
    "a context that ends with its question in the air leaves those of other contexts a new try") {
    auto asked = std::make_shared<std::atomic<int>>(0);
    dns::resolver slow_then_quick = [asked](net::resolve_request) -> awaitable<dns::answer> {
        if (asked->fetch_add(1) == 0) co_await sleep_for(1h);
        dns::answer a;
        a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
        co_return a;
    };
    dns::resolver cached = dns::cache() >> slow_then_quick;
    std::optional<asio::io_context> first(std::in_place, 1);
    asio::co_spawn(*first, ask(cached, "a.test"), [](std::exception_ptr, dns::answer) {});
    while (asked->load() == 0) first->poll_one();
    asio::thread_pool other(2);
    auto second = asio::co_spawn(other, ask(cached, "a.test"), asio::use_future);
    CHECK(second.wait_for(std::chrono::milliseconds(5)) == std::future_status::timeout);
    first.reset();
    CHECK(second.get().addresses.size() == 1);
    CHECK(asked->load() == 2);
    other.join();
}

TEST_CASE("a question on a context that has stopped holds nobody up on another one") {
    testing::run([]() -> awaitable<void> {
        auto asked = std::make_shared<int>(0);
        dns::resolver cached = dns::cache() >> first_never(asked);
        asio::io_context other(1);
        ask_on(other, cached, "a.test", *asked);
        // Nobody runs `other` any more.
        const auto begun = co_await now();
        auto both = co_await when_all(ask(cached, "a.test"), ask(cached, "a.test"));
        CHECK(std::get<0>(both).addresses.size() == 1);
        CHECK(*asked == 2);
        CHECK(co_await now() - begun < 21s);
        net::resolve_request hurried("b.test");
        *asked = 0;
        ask_on(other, cached, "b.test", *asked);
        hurried.extensions().insert(deadline{co_await now() + 1s});
        auto r = co_await attempt(cached.serve(std::move(hurried)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(*asked == 1);
    });
}

TEST_CASE("short waits in a row for a context that has stopped come to an end") {
    testing::run([]() -> awaitable<void> {
        auto asked = std::make_shared<int>(0);
        dns::resolver cached = dns::cache() >> first_never(asked);
        asio::io_context other(1);
        ask_on(other, cached, "a.test", *asked);
        // Always somebody who waits, ten seconds each and five apart.
        int answered = 0;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 6; ++i) {
                s.spawn([&]() -> awaitable<void> {
                    auto r = co_await attempt(with_deadline(10s, ask(cached, "a.test")));
                    if (r) ++answered;
                });
                co_await sleep_for(5s);
            }
            co_await sleep_for(10s);
        });
        CHECK(answered >= 2);
        CHECK(*asked == 2);
    });
}

TEST_CASE("many cores share one cache") {
    auto asked = std::make_shared<std::atomic<int>>(0);
    dns::resolver names = [asked](net::resolve_request what) -> awaitable<dns::answer> {
        asked->fetch_add(1);
        co_await sleep_for(1ms);
        if (what.name == "bad.test")
            throw failure(failure_kind::unavailable, asio::error::host_not_found, "none");
        dns::answer a;
        a.ttl = 60s;
        a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
        co_return a;
    };
    dns::resolver cached = dns::cache({.max_entries = 6}) >> names;
    asio::thread_pool pool(4);
    std::atomic<int> good = 0;
    std::vector<std::future<void>> all;
    auto one = [](dns::resolver r, int seed, std::atomic<int>* counter) -> awaitable<void> {
        for (int i = 0; i < 50; ++i) {
            const int n = (seed * 7 + i * 3) % 8;
            const std::string name = n == 7 ? "bad.test" : "n" + std::to_string(n) + ".test";
            const auto limit = i % 5 == 0 ? 1ms : 1000ms;
            auto r1 = co_await attempt(with_deadline(limit, r.serve(net::resolve_request(name))));
            if (r1) counter->fetch_add(1);
        }
    };
    for (int i = 0; i < 16; ++i)
        all.push_back(asio::co_spawn(pool, one(cached, i, &good), asio::use_future));
    for (auto& f : all) f.get();
    pool.join();
    CHECK(good.load() > 0);
}
