// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../net/generations.hpp"
#include "../net/temporary.hpp"
#include "../sanitizers.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/connection.hpp>
#include <weft/http/serve.hpp>
#include <weft/net/handover.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace weft;
using namespace std::chrono_literals;

namespace {

/// With so many threads each: ThreadSanitizer has none in a process that was forked.
std::vector<unsigned> thread_counts() {
    if (TEST_UNDER_TSAN) return {1};
    return {1, 2};
}

/// An HTTP server in a process of its own that takes over from the one before it.
generation::program server(char name, std::string meeting) {
    return [name, meeting](std::function<void(std::uint16_t)> report) -> awaitable<void> {
        auto app = [name](http::request) -> awaitable<http::response> {
            co_return http::text(std::string(1, name));
        };
        auto self = co_await net::handover::begin(meeting);
        http::serve_options options;
        options.on_listening = [&](const net::any_endpoint& at) {
            self.ready();
            report(at.port());
        };
        auto web = self.socket("web", "127.0.0.1:0");
        co_await self.run(http::serve(std::move(web), app, options));
    };
}

struct tally {
    std::map<char, int> answers;
    std::vector<std::string> failures;
    int connections = 0;
    int closed = 0;   // kept connections that were closed before the next request was sent
    int crossed = 0;  // and as it was on its way
};

/// Connections with one to four requests each; now and then it thinks, also before the first.
awaitable<void> hammer(std::uint16_t port, unsigned seed, tally& sum, const bool& enough) {
    const auto think = [&seed]() -> awaitable<void> {
        seed = seed * 1103515245u + 12345u;
        if (seed >> 16 & 1) co_await sleep_for(1ms);
    };
    while (!enough) {
        unsigned answered = 0;
        auto once = [&]() -> awaitable<void> {
            net::connect_request to("127.0.0.1", port);
            io::stream s = co_await net::tcp::connect.serve(std::move(to));
            ++sum.connections;
            http::connection c = co_await http::connect(std::move(s));
            while (answered <= seed % 4 && c.is_open()) {
                co_await think();
                http::request get(http::method::get, "http://shop.test/");
                http::response r = co_await c.serve(std::move(get));
                const std::string name = co_await r.body().text();
                ++sum.answers[name.at(0)];
                ++answered;
            }
        };
        auto r = co_await attempt(once());
        if (r) continue;
        // HTTP/1.1 lets a server close a kept connection at any time; a client asks again.
        if (answered == 0 || r.error().kind() != failure_kind::unavailable)
            sum.failures.push_back(r.error().what());
        else
            ++(r.error().delivered() == delivery::not_sent ? sum.closed : sum.crossed);
    }
}

}  // namespace

TEST_CASE(
    "three HTTP servers follow one another under load: no connection's first request is lost") {
    for (const unsigned threads : thread_counts()) {
        const temporary_directory dir;
        const std::string meeting = dir.file("handover");
        std::vector<std::unique_ptr<generation>> processes;
        for (const char name : {'a', 'b', 'c'})
            processes.push_back(std::make_unique<generation>(server(name, meeting), threads));
        processes[0]->go();
        const std::uint16_t port = processes[0]->reported();
        REQUIRE(port != 0);

        tally sum;
        testing::run_real([&]() -> awaitable<void> {
            co_await with_scope([&](task_scope& scope) -> awaitable<void> {
                bool enough = false;
                for (unsigned i = 0; i < 32; ++i) scope.spawn(hammer(port, i, sum, enough));
                for (std::size_t next = 1; next < processes.size(); ++next) {
                    const char before = static_cast<char>('a' + next - 1);
                    while (sum.answers[before] < 500) co_await sleep_for(1ms);
                    processes[next]->go();
                    while (sum.answers[static_cast<char>(before + 1)] < 500 ||
                           !processes[next - 1]->has_something_to_say())
                        co_await sleep_for(1ms);
                }
                enough = true;
                while (scope.size() > 0) co_await sleep_for(1ms);
            });
        });
        CHECK(processes[0]->wait() == 0);
        CHECK(processes[1]->wait() == 0);
        processes[2]->terminate();
        CHECK(processes[2]->wait() == 0);
        for (const std::string& f : sum.failures) CHECK(f == "");
        MESSAGE(threads, " threads: ", sum.connections,
                " connections, answered by a: ", sum.answers['a'], " b: ", sum.answers['b'],
                " c: ", sum.answers['c'], ", closed between requests: ", sum.closed,
                ", crossed: ", sum.crossed, ", failed: ", sum.failures.size());
    }
}
