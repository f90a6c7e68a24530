// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// The laws of every HTTP connection, by HTTP/1 and HTTP/2 over TLS.
#include "tls_pairs.hpp"
#include <weft/http/testing/connection_suite.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace weft;
using tls_pairs::over_tls;
namespace asio = boost::asio;

namespace {

void check_all(const testing::connection_suite& suite) {
    for (const testing::connection_law& law : testing::connection_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

constexpr std::size_t roomy = 64 * 1024;

}  // namespace

TEST_CASE("HTTP/1 over TLS keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("http/1.1", roomy))));
}

TEST_CASE("HTTP/1 over TLS keeps them where 1,000 bytes are under way at most") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("http/1.1", 1000))));
}

TEST_CASE("HTTP/2 over TLS keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("h2", roomy)),
                                        {.multiplexed = true, .upgrades = false}));
}

TEST_CASE("HTTP/2 over TLS keeps them where 1,000 bytes are under way at most") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("h2", 1000)),
                                        {.multiplexed = true, .upgrades = false}));
}
