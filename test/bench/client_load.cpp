// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// client_load URL CONNECTIONS SECONDS [STREAMS]: our client as a load generator, on one core. With
// STREAMS it speaks HTTP/2, so many requests at once on each connection. compare_client runs it
// beside wrk and h2load.

#include "load.hpp"
#include <weft/weft.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

using namespace weft;

namespace {

struct tally {
    std::uint64_t answers = 0;
    std::uint64_t failures = 0;
    bool over = false;
};

awaitable<void> user(http::client client, std::string url, tally* t) {
    while (!t->over) {
        auto r = co_await attempt(client.get(url).send());
        if (!r) {
            ++t->failures;
            co_await sleep_for(std::chrono::milliseconds(1));
            continue;
        }
        co_await r->body().discard();
        ++t->answers;
    }
}

awaitable<void> load(std::string url, std::size_t connections, std::chrono::seconds time,
                     std::size_t streams) {
    http::client_options options;
    options.max_connections_per_host = options.max_idle_per_host = connections;
    if (streams > 0) {
        options.protocol = http::protocol::http_2;
        options.max_shared_per_host = connections;
        options.h2.max_concurrent_streams = static_cast<std::uint32_t>(streams);
    }
    const std::size_t users = connections * std::max<std::size_t>(streams, 1);
    http::client client(options);
    tally t;
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (std::size_t i = 0; i < users; ++i) s.spawn(user(client, url, &t));
        co_await sleep_for(std::chrono::milliseconds(200));
        const std::uint64_t before = t.answers;
        const double cpu = cpu_seconds();
        co_await sleep_for(time);
        const auto n = static_cast<double>(t.answers - before);
        fmt::print("{:.0f} requests/s, {:.2f} us of CPU each, {} connections, {} failures\n",
                   n / static_cast<double>(time.count()), (cpu_seconds() - cpu) / n * 1e6,
                   client.statistics().open, t.failures);
        t.over = true;
        co_await sleep_for(std::chrono::milliseconds(100));
    });
    co_await client.close();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4 || argc > 5 || number(argv[2]) == 0 || number(argv[3]) == 0) {
        fmt::print(stderr, "usage: client_load URL CONNECTIONS SECONDS [STREAMS]\n");
        return 2;
    }
    return weft::run(load(argv[1], number(argv[2]), std::chrono::seconds(number(argv[3])),
                          argc > 4 ? number(argv[4]) : 0));
}
