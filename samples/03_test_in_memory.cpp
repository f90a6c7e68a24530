// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// A client and a server test each other, in memory and in virtual time: no port, no thread, no
// waiting. In a test file of yours the checks are your framework's; here they are plain ifs.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <fmt/core.h>

#include <stdexcept>
#include <string>

using namespace weft;
using namespace std::literals;

namespace {

void check(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
    fmt::print("ok: {}\n", what);
}

/// The code under test: asks a stock service, and does not wait for it for more than two seconds.
awaitable<int> items_left(http::client stock, std::string item) {
    auto answer = co_await attempt(
        stock.get("http://stock.test/left").query("item", item).timeout(2s).send());
    if (!answer) co_return -1;
    if (answer->status() != 200) co_return 0;
    const std::string text = co_await answer->body().text();
    co_return std::stoi(text);
}

/// The other side, played by the test.
const auto stock = [](http::request r) -> awaitable<http::response> {
    const std::string item = r.query("item").value_or("");
    if (item == "apples") co_return http::text("7");
    if (item == "slow") co_await sleep_for(1h);
    co_return http::text("no such item", 404);
};

awaitable<void> test() {
    testing::mock_connector network{http::server(stock)};
    http::client client{network};
    const int apples = co_await items_left(client, "apples");
    check(apples == 7, "the number is read from the response");
    const int pears = co_await items_left(client, "pears");
    check(pears == 0, "an unknown item counts as none");
    check(network.connections() == 1, "both requests used one connection");
    const int slow = co_await items_left(client, "slow");
    check(slow == -1, "a service that takes an hour is given up after two seconds");
}

}  // namespace

int main() { testing::run(test); }
