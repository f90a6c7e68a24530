// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/io/prefixed.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/run.hpp>
#include <weft/testing/stream_suite.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

using namespace weft;
namespace asio = boost::asio;

namespace {

/// Two ends of one connection over 127.0.0.1.
awaitable<testing::stream_pair> connect_pair(asio::any_io_executor ex) {
    net::tcp::listener listener(ex, "127.0.0.1:0");
    net::connect_request to("127.0.0.1", listener.local_endpoint().port());
    testing::stream_pair pair;
    pair.first = co_await net::tcp::connect.serve(std::move(to));
    pair.second = co_await listener.accept();
    co_return pair;
}

/// One thread runs the context; its run() ends when nothing waits.
void make_serial(const asio::any_io_executor& ex) {
    context_info& info = context_info::of(ex);
    info.set_serial(true);
    info.deadlines().release_timer();
}

void check_all(const testing::stream_suite& suite) {
    for (const testing::stream_law& law : testing::stream_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

}  // namespace

TEST_CASE("a TCP stream that Asio waits for keeps the laws of a stream") {
    check_all(testing::stream_suite(&connect_pair, {.same_executor = false}));
}

TEST_CASE("a TCP stream in a context of one thread keeps the laws of a stream") {
    check_all(
        testing::stream_suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            make_serial(ex);
            testing::stream_pair pair = co_await connect_pair(ex);
            co_return pair;
        }));
}

TEST_CASE("a TCP stream on an executor that promises one thread keeps the laws of a stream") {
    check_all(testing::stream_suite(
        [](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            testing::stream_pair pair = co_await connect_pair(single_threaded(ex));
            co_return pair;
        },
        {.same_executor = false}));
}

TEST_CASE("a prefixed TCP stream keeps the laws of a stream") {
    check_all(
        testing::stream_suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            make_serial(ex);
            testing::stream_pair pair = co_await connect_pair(ex);
            io::stream first = io::prefixed(bytes::literal("prefix"), std::move(pair.first));
            CHECK(first.native_socket() == -1);
            std::array<char, 6> memory;
            const std::size_t n = co_await first.read(asio::buffer(memory));
            if (n != 6) throw std::runtime_error("the prefix did not come whole");
            CHECK(first.native_socket() >= 0);
            co_return testing::stream_pair(std::move(first), std::move(pair.second));
        }));
}

namespace {

int notsent_lowat(const io::stream& s) {
    int value = 0;
    socklen_t length = sizeof value;
    ::getsockopt(s.native_socket(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &length);
    return value;
}

awaitable<testing::stream_pair> served_pair(net::listen_options options) {
    auto ex = co_await asio::this_coro::executor;
    net::tcp::listener listener(ex, "127.0.0.1:0", options);
    net::connect_request to("127.0.0.1", listener.local_endpoint().port());
    testing::stream_pair pair;
    pair.first = co_await net::tcp::connect.serve(std::move(to));
    pair.second = co_await listener.accept();
    co_return pair;
}

}  // namespace

TEST_CASE("a served connection gives the system little until its peer has made room once") {
    testing::run_real([]() -> awaitable<void> {
        auto [client, served] = co_await served_pair({});
        const std::string content(64 * 1024, 'x');
        io::error_code ec;
        CHECK(served.try_write(asio::buffer(content), ec) == 16 * 1024);
        CHECK(notsent_lowat(served) == 16 * 1024);
        while (!ec) served.try_write(asio::buffer(content), ec);
        CHECK(ec == asio::error::would_block);
        CHECK(notsent_lowat(served) == 16 * 1024);
        std::string room(1024 * 1024, ' ');
        auto [written, read] =
            co_await when_all(served.write(asio::buffer(content)), client.read(asio::buffer(room)));
        CHECK(read > 0);
        CHECK(notsent_lowat(served) == 128 * 1024);
    });
}

TEST_CASE("a bound for what is not sent that the options give stays as it is") {
    testing::run_real([]() -> awaitable<void> {
        net::listen_options options;
        options.socket.notsent_lowat = 100'000;
        auto [client, served] = co_await served_pair(options);
        const std::string content(64 * 1024, 'x');
        io::error_code ec;
        CHECK(served.try_write(asio::buffer(content), ec) == content.size());
        CHECK(notsent_lowat(served) == 100'000);
    });
}
