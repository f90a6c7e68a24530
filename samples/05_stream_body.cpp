// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Bodies that are never whole in memory: pulled, written, transformed on their way, with trailers.
// Back-pressure needs no code: who is not asked for a chunk makes none.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace weft;
using namespace std::literals;

namespace {

constexpr std::size_t chunk_size = 64 * 1024;
constexpr int chunks = 2048;  // 128 MiB in all

/// 1. Pulled: a function that makes the next chunk when the connection has room for it.
http::body numbers(int& made) {
    return http::body::pull([&made, left = chunks]() mutable -> awaitable<std::optional<bytes>> {
        if (left == 0) co_return std::nullopt;
        --left;
        ++made;
        co_return bytes(std::string(chunk_size, static_cast<char>('a' + left % 26)));
    });
}

/// 2. Transformed: the request's body, in capitals, goes back while it comes in.
awaitable<http::response> shout(http::request r) {
    http::body upper =
        http::body::pull([from = std::move(r.body())]() mutable -> awaitable<std::optional<bytes>> {
            std::optional<bytes> chunk = co_await from.next();
            if (!chunk) co_return std::nullopt;
            std::string text = chunk->str();
            for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            co_return bytes(std::move(text));
        });
    co_return http::response(http::status::ok, std::move(upper));
}

/// 3. Written: a coroutine that lives beside the response writes it, and ends it with a trailer.
awaitable<void> write_rows(http::body_writer rows) {
    for (int i = 1; i <= 3; ++i) {
        co_await sleep_for(100ms);  // as a database would
        co_await rows.write(bytes(fmt::format("row {}\n", i)));
    }
    rows.close({{"Row-Count", "3"}});
}

awaitable<void> test() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        auto app = [&scope](http::request r) -> awaitable<http::response> {
            if (r.path() == "/shout") co_return co_await shout(std::move(r));
            auto [rows, body] = http::body::channel();
            scope.spawn(write_rows(std::move(rows)));
            co_return http::response(http::status::ok, std::move(body));
        };
        http::server_options options;
        options.max_body = 1024 * 1024 * 1024;  // the default, 64 MiB, is for bodies read whole
        http::client client{testing::mock_connector{http::server(app, options)}};

        int made = 0;
        auto loud = co_await client.post("http://files.test/shout").body(numbers(made)).send();
        std::size_t received = 0;
        std::size_t furthest = 0;
        while (std::optional<bytes> chunk = co_await loud.body().next()) {
            received += chunk->size();
            furthest = std::max(furthest, static_cast<std::size_t>(made) * chunk_size - received);
        }
        if (received != chunks * chunk_size) throw std::runtime_error("something was lost");
        if (furthest > 16 * chunk_size) throw std::runtime_error("too much was held");
        fmt::print("{} MiB went both ways; at most {} KiB of it were under way\n",
                   received / 1024 / 1024, furthest / 1024);

        auto table = co_await client.get("http://files.test/rows").send();
        const std::string rows = co_await table.body().text();
        const http::headers* trailers = table.body().trailers();
        fmt::print("{}trailer Row-Count: {}\n", rows,
                   trailers ? trailers->get("Row-Count").value_or("-") : "none");
    });
}

}  // namespace

int main() { testing::run(test); }
