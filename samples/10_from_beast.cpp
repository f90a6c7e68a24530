// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// From Beast to weft in three steps, each of which works and can be shipped. The business is a
// function from a Beast request to a Beast response, as a Beast server has it.
//
//   1. The Beast session stays as it is, and runs on weft's stream: testable in memory.
//   2. weft's server reads and writes; the function stays: limits, timeouts, layers, pipelining.
//   3. The function becomes a service of weft's own messages: bodies that stream.

#include <weft/http/beast.hpp>
#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <fmt/core.h>

#include <stdexcept>
#include <string>

using namespace weft;
using namespace std::literals;
namespace beast = boost::beast;

namespace {

using beast_request = beast::http::request<beast::http::string_body>;
using beast_response = beast::http::response<beast::http::string_body>;

/// What the old server does. It does not change before step 3.
beast_response greet(beast_request r) {
    beast_response answer(beast::http::status::ok, r.version());
    answer.set(beast::http::field::content_type, "text/plain");
    answer.body() = "Hello, " + (r.body().empty() ? "world" : r.body());
    answer.keep_alive(r.keep_alive());
    answer.prepare_payload();
    return answer;
}

/// Step 1: a session as it is found in Beast's examples; only the type of the stream is another.
awaitable<void> session(io::stream stream) {
    beast::flat_buffer buffer;
    bool open = true;
    while (open) {
        beast_request request;
        const auto [ec, n] = co_await beast::http::async_read(
            stream, buffer, request, boost::asio::as_tuple(boost::asio::use_awaitable));
        if (ec == beast::http::error::end_of_stream) break;
        if (ec) throw failure(failure_kind::protocol, ec, "the request could not be read");
        open = request.keep_alive();
        beast_response answer = greet(std::move(request));
        co_await beast::http::async_write(stream, answer, boost::asio::use_awaitable);
    }
    co_await stream.shutdown_send();
}

/// Step 3: the same in weft's own messages.
awaitable<http::response> greet_anew(http::request r) {
    const std::string name = co_await r.body().text();
    co_return http::text("Hello, " + (name.empty() ? "world" : name));
}

/// The test does not care which step it meets.
awaitable<void> check(const char* step, any_service<io::stream, void> server) {
    http::client client{testing::mock_connector(std::move(server))};
    auto answer = co_await client.post("http://old.test/").body("Beast").send();
    const std::string text = co_await answer.body().text();
    if (text != "Hello, Beast") throw std::runtime_error(text);
    fmt::print("{}: {} {}\n", step, answer.status().code(), text);
}

awaitable<void> test() {
    co_await check("1. a Beast session on weft's stream", session);
    auto with_layers = log_slow(200ms) >> http::timeout(5s) >> http::beast_service(greet);
    co_await check("2. a Beast function behind weft's server", http::server(with_layers));
    co_await check("3. a weft service", http::server(greet_anew));
}

}  // namespace

int main() { testing::run(test); }
