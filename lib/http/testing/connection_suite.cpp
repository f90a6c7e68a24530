// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"
#include <weft/testing/run.hpp>

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <vector>

namespace weft::testing {

namespace asio = boost::asio;

void connection_trial::fail(std::string_view what, here where) {
    throw connection_law_broken(std::string(where.file_name()) + ":" +
                                std::to_string(where.line()) + ": " + std::string(what));
}

awaitable<connection_pair> connection_trial::connect(http::any_app app, http::server_options server,
                                                     http::client_options client) const {
    connection_setup setup{std::move(app), server, std::move(client), scope};
    return make_(std::move(setup));
}

awaitable<void> connection_trial::until(std::function<bool()> holds, here where) {
    for (int i = 0; i < 2000; ++i) {
        if (holds()) co_return;
        co_await sleep_for(std::chrono::milliseconds(1));
    }
    fail("it never came to hold", where);
}

namespace http_laws {

http::request get(std::string_view path) {
    return http::request(http::method::get, "http://host.test" + std::string(path));
}

http::request post(std::string_view path, http::body content) {
    return http::request(http::method::post, "http://host.test" + std::string(path),
                         std::move(content));
}

http::body repeated(std::string_view piece, std::size_t times, std::optional<std::uint64_t> size) {
    auto make = [text = std::string(piece),
                 times]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (times == 0) co_return std::nullopt;
        --times;
        co_return weft::bytes(text);
    };
    return http::body::pull(std::move(make), size);
}

awaitable<std::string> content_of(connection_pair& c, http::request r, std::source_location where) {
    http::response answer = co_await c.client.serve(std::move(r));
    connection_trial::expect(answer.status() == 200, "the status is not 200", where);
    std::string text = co_await answer.body().text(std::size_t{64} << 20);
    co_return text;
}

}  // namespace http_laws

connection_pair pair_of(http::connection client, http::server server) {
    connection_pair pair;
    pair.client = client;
    pair.is_open = [client] { return client.is_open(); };
    pair.close = [client] { client.close(); };
    pair.drain = [server] { server.drain(); };
    pair.serving = [server] { return server.connections(); };
    return pair;
}

awaitable<void> serve_connection(http::server server, io::stream s) {
    co_await server.serve(std::move(s));
}

connection_factory connections_over(stream_pair_factory streams) {
    return [streams = std::move(streams)](connection_setup setup) -> awaitable<connection_pair> {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        stream_pair made = co_await streams(executor);
        http::server server(std::move(setup.app), setup.server);
        setup.scope.spawn(serve_connection(server, std::move(made.second)));
        http::connection client =
            co_await http::connect(std::move(made.first), std::move(setup.client));
        co_return pair_of(std::move(client), std::move(server));
    };
}

std::string connection_suite::check(const connection_law& law) const {
    const auto run_law = [&]() -> awaitable<void> {
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            connection_trial trial(make_, options_, scope);
            co_await law.check(trial);
        });
    };
    try {
        if (options_.real)
            testing::run_real(run_law);
        else
            testing::run(run_law);
        return {};
    } catch (const connection_law_broken& broken) {
        return broken.what();
    } catch (const std::exception& other) {
        return std::string("threw ") + other.what();
    }
}

std::span<const connection_law> connection_laws() {
    static const std::vector<connection_law> all = [] {
        using namespace http_laws;
        std::vector<connection_law> laws;
        for (auto part : {message_laws(), body_laws(), pace_laws(), http_laws::ending_laws(),
                          sharing_laws(), limit_laws()})
            laws.insert(laws.end(), part.begin(), part.end());
        return laws;
    }();
    return all;
}

}  // namespace weft::testing
