// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "ends.hpp"
#include <weft/net/tcp.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/testing/stream_suite.hpp>

using namespace tls_test;

namespace {

tls::client_config client_for(tls::version v) {
    tls::client_options o = client_options();
    o.min_version = o.max_version = v;
    o.session_cache = 0;
    return tls::client_config(o);
}

void check_all(const testing::stream_suite& suite) {
    for (const testing::stream_law& law : testing::stream_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

awaitable<testing::stream_pair> over_duplex(tls::client_config client, tls::server_config server) {
    auto made = co_await shake(client, server);
    co_return testing::stream_pair(std::move(made.client).value(), std::move(made.server).value());
}

awaitable<testing::stream_pair> over_tcp(asio::any_io_executor ex, tls::client_config client,
                                         tls::server_config server) {
    context_info& info = context_info::of(ex);
    info.set_serial(true);
    info.deadlines().release_timer();
    net::tcp::listener listener(ex, "127.0.0.1:0");
    net::connect_request to("127.0.0.1", listener.local_endpoint().port());
    io::stream near = co_await net::tcp::connect.serve(std::move(to));
    io::stream far = co_await listener.accept();
    auto streams = co_await when_all(tls::handshake(std::move(near), client, shop_target),
                                     tls::accept(std::move(far), server));
    co_return testing::stream_pair(std::move(std::get<0>(streams)),
                                   std::move(std::get<1>(streams)));
}

}  // namespace

TEST_CASE("a stream of TLS 1.3 keeps the laws of a stream, over a duplex") {
    const auto client = client_for(tls::version::tls_1_3);
    const tls::server_config server(server_options());
    check_all(
        testing::stream_suite([=](asio::any_io_executor) { return over_duplex(client, server); }));
}

TEST_CASE("the server's side of TLS 1.3 keeps the laws of a stream, over a duplex") {
    const auto client = client_for(tls::version::tls_1_3);
    const tls::server_config server(server_options());
    check_all(testing::stream_suite([=](asio::any_io_executor) -> awaitable<testing::stream_pair> {
        auto [c, s] = co_await over_duplex(client, server);
        co_return testing::stream_pair(std::move(s), std::move(c));
    }));
}

TEST_CASE("a stream of TLS 1.2 keeps the laws of a stream, over a duplex") {
    const auto client = client_for(tls::version::tls_1_2);
    const tls::server_config server(server_options());
    check_all(
        testing::stream_suite([=](asio::any_io_executor) { return over_duplex(client, server); }));
}

TEST_CASE("a stream of TLS 1.3 keeps the laws of a stream, over TCP") {
    const auto client = client_for(tls::version::tls_1_3);
    const tls::server_config server(server_options());
    check_all(testing::stream_suite(
        [=](asio::any_io_executor ex) { return over_tcp(ex, client, server); }));
}
