// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The tour: one service, called in four ways. `tools/run` shows it.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <string>

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

/// What the service notes about a request; the formatter lets history() print it.
struct greeted {
    std::string name;
};

template <>
struct fmt::formatter<greeted> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const greeted& g, Context& out) const {
        return fmt::formatter<std::string_view>::format(g.name, out);
    }
};

namespace {

/// The service of this tour: from a request to a response, and nothing else.
const auto greet = [](http::request r) -> awaitable<http::response> {
    const std::string name = r.query("name").value_or("world");
    r.extensions().insert(greeted{name});
    http::response answer = http::text("Hello, " + name + "!");
    answer.set_extensions(r.extensions().fork());
    co_return answer;
};

/// A layer that counts what passes.
class count_calls : public pipeable {
  public:
    explicit count_calls(int& counter) : counter_(counter) {}
    template <class Next>
    auto serve(http::request r, const Next& next) const {
        ++counter_;
        return next(std::move(r));
    }

  private:
    int& counter_;
};

void say(std::string_view text) { fmt::print("{}\n", text); }

/// 1. A service is called like a function.
awaitable<void> directly() {
    http::response r = co_await greet(http::request(http::method::get, "/?name=direct"));
    const std::string content = co_await r.body().text();
    fmt::print("1. called directly:          {} {}\n", r.status().code(), content);
}

/// 2. The same service behind an HTTP server and an HTTP client, joined by a pair of streams in
///    memory.
awaitable<void> over_memory() {
    http::client client{testing::mock_connector(http::server(greet))};
    http::response r = co_await client.get("http://tour.test/").query("name", "in memory").send();
    const std::string content = co_await r.body().text();
    fmt::print("2. over HTTP/1.1, in memory: {} {}\n", r.status().code(), content);
}

/// 3. The same over TCP: a server on a port that the system chooses, and a client that connects to
///    it.
awaitable<void> over_tcp() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        channel<net::endpoint> listening{1};
        auto server = [&listening]() -> awaitable<void> {
            http::serve_options options;
            event bound;
            net::endpoint at;
            options.on_listening = [&](const net::endpoint& e) {
                at = e;
                bound.set();
            };
            co_await with_scope([&](task_scope& inner) -> awaitable<void> {
                inner.spawn(http::serve("127.0.0.1:0", greet, options));
                co_await bound.wait();
                if (!co_await listening.send(at)) co_return;
                event forever;
                co_await forever.wait();  // until the tour is over, and cancels it
            });
        };
        scope.spawn(server);
        const std::optional<net::endpoint> at = co_await listening.receive();
        http::client client;
        http::response r =
            co_await client.get("http://" + net::to_string(*at) + "/?name=TCP").send();
        const std::string content = co_await r.body().text();
        fmt::print("3. over TCP, at {}: {} {}\n", net::to_string(*at), r.status().code(), content);
    });
}

/// 4. Behind three layers, outermost first; and what the request's extensions saw on the way.
awaitable<void> behind_layers() {
    int calls = 0;
    auto note = layer_fn([](http::request r, const auto& next) {
        r.extensions().insert("seen by a layer"s);
        return next(std::move(r));
    });
    auto app = log_slow(200ms) >> count_calls(calls) >> note >> greet;
    http::response r = co_await app.serve(http::request(http::method::get, "/?name=layers"));
    const std::string content = co_await r.body().text();
    fmt::print("4. behind three layers:      {} {}; {} call(s) counted\n", r.status().code(),
               content, calls);
    say("   what its history saw:");
    for (const history_entry& e : r.extensions().history())
        fmt::print("     #{} {}{}\n", e.order(), e.type(), e.text() ? " = " + *e.text() : "");
}

/// 5. A handler that takes half a minute, a limit of five seconds: in virtual time that is over at
///    once.
awaitable<void> a_timeout() {
    auto slow = [](http::request) -> awaitable<http::response> {
        co_await sleep_for(30s);
        co_return http::text("late");
    };
    http::client client{testing::mock_connector(http::server(http::timeout(5s) >> slow))};
    const auto executor = co_await asio::this_coro::executor;
    const auto& time = context_info::of(executor).clock();
    const auto start = time.now();
    http::response r = co_await client.get("http://tour.test/").send();
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(time.now() - start);
    fmt::print("5. a limit in virtual time:  {} after {} ms that nobody waited for\n",
               r.status().code(), waited.count());
}

}  // namespace

int main() {
    say("weft: a tour of one service");
    testing::run(directly);
    testing::run(over_memory);
    const int status = weft::run(over_tcp());
    testing::run(behind_layers);
    testing::run(a_timeout);
    say(status == 0 ? "The tour is over." : "The tour failed.");
    return status;
}
