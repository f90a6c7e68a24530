// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// The laws of every HTTP connection, over HTTP/2 by prior knowledge.
#include <weft/http/testing/connection_suite.hpp>
#include <weft/io/duplex.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

using namespace weft;
namespace asio = boost::asio;

namespace {

testing::connection_factory over_http_2() {
    auto streams = [](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        co_return io::duplex(ex);
    };
    return [made = testing::connections_over(streams)](
               testing::connection_setup setup) -> awaitable<testing::connection_pair> {
        setup.client.protocol = http::protocol::http_2;
        return made(std::move(setup));
    };
}

struct skipped {
    std::string_view law;
    std::string_view why;
};

/// What cannot exist in HTTP/2.
constexpr skipped impossible[] = {
    {"an upgrade hands the connection over", "there is no 101 (RFC 9113 8.6)"},
};

}  // namespace

TEST_CASE("HTTP/2 keeps the laws of HTTP connections") {
    const testing::connection_suite suite(over_http_2(), {.multiplexed = true, .upgrades = false});
    for (const testing::connection_law& law : testing::connection_laws()) {
        const bool skip = std::any_of(std::begin(impossible), std::end(impossible),
                                      [&](const skipped& s) { return s.law == law.name; });
        if (skip) continue;
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}
