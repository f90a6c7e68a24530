// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/io/duplex.hpp>
#include <weft/io/prefixed.hpp>
#include <weft/testing/stream_suite.hpp>

#include <boost/asio/buffer.hpp>
#include <doctest/doctest.h>

using namespace weft;
namespace asio = boost::asio;

namespace {

void check_all(const testing::stream_suite& suite) {
    CHECK(testing::stream_laws().size() >= 30);
    for (const testing::stream_law& law : testing::stream_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

}  // namespace

TEST_CASE("a duplex keeps the laws of a stream") {
    check_all(
        testing::stream_suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            co_return io::duplex(ex);
        }));
}

TEST_CASE("a duplex of 128 bytes keeps the laws of a stream") {
    testing::stream_suite suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        co_return io::duplex(ex, 128);
    });
    for (const testing::stream_law& law : testing::stream_laws()) {
        if (law.name.find("64 MiB") != std::string_view::npos) continue;  // slow in so small pieces
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

TEST_CASE("a prefixed stream keeps the laws of a stream, before and after its prefix") {
    check_all(
        testing::stream_suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            // The prefix is read away first: from then on it must be as the stream below.
            auto [a, b] = io::duplex(ex);
            io::stream first = io::prefixed(bytes::literal("prefix"), std::move(a));
            std::array<char, 6> memory;
            const std::size_t n = co_await first.read(asio::buffer(memory));
            if (n != 6) throw std::runtime_error("the prefix did not come whole");
            co_return testing::stream_pair(std::move(first), std::move(b));
        }));
}
