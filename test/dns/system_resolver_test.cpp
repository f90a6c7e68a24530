// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "resolvers.hpp"
#include <weft/dns/system_resolver.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

using namespace resolvers;

namespace {

/// A look-up that hangs until it is let go.
class gate {
  public:
    dns::look_up_function look_up() {
        return [s = state_](std::string name, net::address_family) {
            std::unique_lock lock(s->mutex);
            s->names.push_back(name);
            ++s->inside;
            s->most = std::max(s->most, s->inside);
            s->changed.notify_all();
            s->changed.wait(lock, [&] { return s->open; });
            --s->inside;
            ++s->returned;
            s->changed.notify_all();
            if (name == "gone.test")
                throw failure(failure_kind::unavailable, asio::error::host_not_found, "gone");
            if (name == "odd.test") throw std::runtime_error("odd");
            dns::answer a;
            a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
            return a;
        };
    }
    void open() {
        const std::lock_guard lock(state_->mutex);
        state_->open = true;
        state_->changed.notify_all();
    }
    void await_inside(int n) {
        std::unique_lock lock(state_->mutex);
        state_->changed.wait(lock, [&] { return state_->inside == n; });
    }
    void await_returned(int n) {
        std::unique_lock lock(state_->mutex);
        state_->changed.wait(lock, [&] { return state_->returned == n; });
    }
    [[nodiscard]] std::vector<std::string> names() const {
        const std::lock_guard lock(state_->mutex);
        return state_->names;
    }
    [[nodiscard]] int most() const {
        const std::lock_guard lock(state_->mutex);
        return state_->most;
    }

  private:
    struct state {
        std::mutex mutex;
        std::condition_variable changed;
        std::vector<std::string> names;
        int inside = 0;
        int most = 0;
        int returned = 0;
        bool open = false;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

}  // namespace

TEST_CASE("the system knows localhost, and says what it does not know") {
    testing::run_real([]() -> awaitable<void> {
        const dns::system_resolver names;
        dns::answer found = co_await ask(names, "localhost", net::address_family::v4);
        CHECK(text_of(found) == "127.0.0.1");
        CHECK(found.from == net::answer_source::system);
        CHECK(!found.ttl);
        auto r = co_await attempt(ask(names, "no such host"));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().domain() == failure_domain::transport);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(r.error().context("host") == "no such host");
    });
}

TEST_CASE("look-ups run on so many threads and no more, first come, first served") {
    testing::run_real([]() -> awaitable<void> {
        gate g;
        const dns::system_resolver names({.threads = 2, .look_up = g.look_up()});
        std::vector<awaitable<dns::answer>> all;
        for (int i = 0; i < 6; ++i) all.push_back(ask(names, "n" + std::to_string(i)));
        auto opens = [&]() -> awaitable<void> {
            g.await_inside(2);
            CHECK(names.busy() == 2);
            CHECK(names.queued() == 4);
            g.open();
            co_return;
        };
        co_await when_all(when_all(std::move(all)), opens());
        CHECK(g.most() <= 2);
        auto order = g.names();
        REQUIRE(order.size() == 6);
        std::sort(order.begin(), order.begin() + 2);
        CHECK(order[0] == "n0");
        CHECK(order[1] == "n1");
        CHECK(names.busy() == 0);
    });
}

TEST_CASE("what a look-up throws comes out, classified and with the host") {
    testing::run_real([]() -> awaitable<void> {
        gate g;
        g.open();
        const dns::system_resolver names({.look_up = g.look_up()});
        auto gone = co_await attempt(ask(names, "gone.test"));
        REQUIRE(!gone);
        CHECK(dns::is_missing(gone.error()));
        CHECK(gone.error().context("host") == "gone.test");
        auto odd = co_await attempt(ask(names, "odd.test"));
        REQUIRE(!odd);
        CHECK(odd.error().kind() == failure_kind::internal);
        CHECK(odd.error().context("host") == "odd.test");
    });
}

TEST_CASE("while all threads hang, look-ups fail in their time, and then at once") {
    gate g;
    const dns::system_resolver names(
        {.threads = 1, .queue = 1, .timeout = 20ms, .look_up = g.look_up()});
    testing::run_real([&]() -> awaitable<void> {
        auto both = co_await when_all(attempt(ask(names, "a.test")), attempt(ask(names, "b.test")));
        auto& [first, second] = both;
        REQUIRE(!first);
        CHECK(first.error().kind() == failure_kind::timeout);
        CHECK(first.error().code() == asio::error::timed_out);
        CHECK(std::string(first.error().message()).find("does not answer") != std::string::npos);
        REQUIRE(!second);
        CHECK(std::string(second.error().message()).find("no thread was free") !=
              std::string::npos);
        CHECK(second.error().context("host") == "b.test");
        CHECK(names.queued() == 0);
        CHECK(names.busy() == 1);
        auto more = co_await when_all(attempt(ask(names, "c.test")), attempt(ask(names, "d.test")));
        CHECK(std::get<0>(more).error().kind() == failure_kind::timeout);
        CHECK(std::get<1>(more).error().kind() == failure_kind::exhausted);
        g.open();
        g.await_returned(1);
        dns::answer again = co_await ask(names, "e.test");
        CHECK(text_of(again) == "192.0.2.1");
    });
}

TEST_CASE("a name that hangs holds one thread, however often it is asked for") {
    gate g;
    const dns::system_resolver names({.threads = 2, .timeout = 20ms, .look_up = g.look_up()});
    testing::run_real([&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            auto r = co_await attempt(ask(names, i == 1 ? "SLOW.test" : "slow.test"));
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::timeout);
            CHECK(std::string(r.error().message()).find("does not answer") != std::string::npos);
        }
        CHECK(names.busy() == 1);
        CHECK(names.queued() == 0);
        CHECK(g.names() == std::vector<std::string>{"slow.test"});
    });
    g.open();
    g.await_returned(1);
}

TEST_CASE("who asks for what a thread looks up already gets the same answer") {
    testing::run_real([]() -> awaitable<void> {
        gate g;
        const dns::system_resolver names({.threads = 4, .look_up = g.look_up()});
        std::vector<awaitable<result<dns::answer>>> all;
        for (int i = 0; i < 10; ++i)
            all.push_back(attempt(ask(names, i < 5 ? "a.test" : "gone.test")));
        all.push_back(attempt(with_deadline(1ms, ask(names, "a.test"))));
        auto opens = [&]() -> awaitable<void> {
            g.await_inside(2);
            co_await sleep_for(5ms);
            CHECK(names.busy() == 2);
            CHECK(names.queued() == 0);
            g.open();
        };
        auto both = co_await when_all(when_all(std::move(all)), opens());
        auto& found = std::get<0>(both);
        for (std::size_t i = 0; i < 5; ++i) CHECK(text_of(found[i].value()) == "192.0.2.1");
        for (std::size_t i = 5; i < 10; ++i) CHECK(dns::is_missing(found[i].error()));
        CHECK(found[10].error().kind() == failure_kind::timeout);
        CHECK(g.names().size() == 2);
    });
}

TEST_CASE("families of one name are two look-ups") {
    testing::run_real([]() -> awaitable<void> {
        gate g;
        g.open();
        const dns::system_resolver names({.look_up = g.look_up()});
        co_await when_all(ask(names, "a.test", net::address_family::v4),
                          ask(names, "a.test", net::address_family::v6));
        CHECK(g.names().size() == 2);
    });
}

TEST_CASE("a name with a NUL in it is no name, and no address") {
    testing::run_real([]() -> awaitable<void> {
        gate g;
        g.open();
        const dns::system_resolver names({.look_up = g.look_up()});
        auto r = co_await attempt(ask(names, std::string("127.0.0.1\0.evil.test", 20)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::invalid_input);
        CHECK(g.names().empty());
    });
}

TEST_CASE("cancelling returns at once, and the thread that hangs finds nobody to tell") {
    gate g;
    {
        const dns::system_resolver names({.look_up = g.look_up()});
        testing::run_real([&]() -> awaitable<void> {
            auto cancels = [&]() -> awaitable<void> {
                g.await_inside(1);
                co_return;
            };
            auto r = co_await when_any(ask(names, "a.test"), cancels());
            CHECK(r.index == 1);
        });
    }
    // The resolver, the context and the coroutine are gone; the thread is not.
    g.open();
    g.await_returned(1);
}

TEST_CASE("a context that ends while a name is looked up waits for nobody") {
    gate g;
    auto alive = std::make_shared<int>(0);
    {
        const dns::system_resolver names({.threads = 1, .look_up = g.look_up()});
        asio::io_context ctx(1);
        auto body = [](dns::system_resolver r, std::string name,
                       std::shared_ptr<int>) -> awaitable<void> {
            net::resolve_request what(std::move(name));
            co_await r.serve(std::move(what));
        };
        for (const char* name : {"a.test", "b.test"})
            asio::co_spawn(ctx, body(names, name, alive), [](std::exception_ptr) {});
        ctx.poll();
        g.await_inside(1);
    }
    CHECK(alive.use_count() == 1);
    g.open();
    g.await_returned(1);
}

TEST_CASE("one resolver serves many contexts, on which questions come, go and end") {
    const dns::system_resolver names(
        {.threads = 3, .queue = 8, .look_up = [](std::string, net::address_family) {
             std::this_thread::yield();
             dns::answer a;
             a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
             return a;
         }});
    auto one = [](dns::system_resolver r) -> awaitable<int> {
        int good = 0;
        for (int i = 0; i < 40; ++i) {
            auto got = co_await attempt(with_deadline(i % 4 == 0 ? 1ms : 1000ms, ask(r, "a.test")));
            if (got) ++good;
        }
        co_return good;
    };
    for (int round = 0; round < 4; ++round) {
        asio::thread_pool pool(3);
        std::vector<std::future<int>> all;
        for (int i = 0; i < 12; ++i)
            all.push_back(asio::co_spawn(pool, one(names), asio::use_future));
        int good = 0;
        for (auto& f : all) good += f.get();
        CHECK(good > 0);
        pool.join();
    }
}
