// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/http/beast.hpp>
#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/run.hpp>

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/multi_buffer.hpp>
#include <boost/beast/http/dynamic_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace weft;
namespace bb = boost::beast::http;

namespace {

/// The fields of either side as one line.
template <class Headers>
std::string line_of(const Headers& fields) {
    std::string text;
    for (const auto& f : fields) {
        if constexpr (requires { f.name_string(); }) {
            text.append(f.name_string()).append("=").append(f.value()).append(";");
        } else {
            text.append(f.name).append("=").append(f.value).append(";");
        }
    }
    return text;
}

/// A Beast Body that is written in three pieces, the last one missing when `fails`.
struct three_pieces {
    struct value_type {
        bool fails = false;
    };
    struct writer {
        using const_buffers_type = boost::asio::const_buffer;
        template <class Header>
        writer(const Header&, const value_type& v) : fails(v.fails) {}
        void init(boost::system::error_code& ec) { ec = {}; }
        boost::optional<std::pair<const_buffers_type, bool>> get(boost::system::error_code& ec) {
            ec = {};
            if (++count == 3 && fails) {
                ec = boost::asio::error::fault;
                return boost::none;
            }
            return {{boost::asio::buffer("piece", 5), count < 3}};
        }
        bool fails;
        int count = 0;
    };
};

}  // namespace

TEST_CASE("a request of Beast keeps its line, its fields, their order and case, and its body") {
    testing::run([]() -> awaitable<void> {
        bb::request<bb::string_body> old(bb::verb::put, "/a?b=c", 10);
        old.insert("X-First", "1");
        old.insert("x-SECOND", "2");
        old.insert("X-First", "3");
        old.body() = "content";
        old.prepare_payload();
        http::request r = http::from_beast(old);
        CHECK(r.method() == http::method::put);
        CHECK(r.target() == "/a?b=c");
        CHECK(r.version() == http::version::http_1_0);
        CHECK(line_of(r.headers()) == line_of(old));
        const auto again = co_await http::to_beast(std::move(r));
        CHECK(again.method() == bb::verb::put);
        CHECK(again.target() == "/a?b=c");
        CHECK(again.version() == 10);
        CHECK(line_of(again) == line_of(old));
        CHECK(again.body() == "content");
    });
}

TEST_CASE("a response of Beast keeps its status, its own reason and its body") {
    testing::run([]() -> awaitable<void> {
        bb::response<bb::vector_body<char>> old(bb::status::not_found, 11);
        old.reason("Gone Fishing");
        old.body() = {'f', 'i', 's', 'h'};
        old.prepare_payload();
        http::response r = http::from_beast(old);
        CHECK(r.status() == 404);
        CHECK(r.reason() == "Gone Fishing");
        CHECK(r.body().size() == 4u);
        const auto again = co_await http::to_beast<bb::dynamic_body>(std::move(r));
        CHECK(again.result() == bb::status::not_found);
        CHECK(again.reason() == "Gone Fishing");
        CHECK(again["Content-Length"] == "4");
        CHECK(boost::beast::buffers_to_string(again.body().data()) == "fish");
    });
}

TEST_CASE("methods that neither knows by name go both ways") {
    testing::run([]() -> awaitable<void> {
        bb::request<bb::empty_body> old;
        old.method_string("PURGE");
        old.target("/cache");
        old.version(11);
        http::request r = http::from_beast(old);
        CHECK(r.method().text() == "PURGE");
        const auto again = co_await http::to_beast<bb::string_body>(std::move(r));
        CHECK(again.method_string() == "PURGE");
    });
}

TEST_CASE("a body longer than the limit is refused") {
    testing::run([]() -> awaitable<void> {
        http::request r(http::method::post, "/", std::string(101, 'x'));
        const auto m = co_await attempt(http::to_beast(std::move(r), 100));
        REQUIRE(!m);
        CHECK(m.error().kind() == failure_kind::rejected);
    });
}

TEST_CASE("a version that is not HTTP/1 is refused") {
    bb::request<bb::empty_body> old(bb::verb::get, "/", 20);
    CHECK_THROWS_AS((void)http::from_beast(old), failure);
}

TEST_CASE("a body that Beast writes in pieces arrives piece by piece, and may fail") {
    testing::run([]() -> awaitable<void> {
        for (const bool fails : {false, true}) {
            CAPTURE(fails);
            bb::response<three_pieces> old(bb::status::ok, 11);
            old.body().fails = fails;
            http::response r = http::from_beast(std::move(old));
            CHECK(r.body().size() == std::nullopt);
            const auto all = co_await attempt(r.body().text());
            CHECK(all.has_value() == !fails);
            if (all) CHECK(*all == "piecepiecepiece");
        }
    });
}

TEST_CASE("a function that was written for Beast is served") {
    testing::run([]() -> awaitable<void> {
        const auto handler = [](bb::request<bb::string_body> m) {
            bb::response<bb::string_body> answer(bb::status::ok, m.version());
            answer.set(bb::field::content_type, "text/plain");
            answer.body() = std::string(m.method_string()) + " " + m.body();
            answer.prepare_payload();
            if (m.method() == bb::verb::head) answer.body().clear();
            return answer;
        };
        http::client client{testing::mock_connector{http::server(http::beast_service(handler))}};
        auto posted = co_await client.post("http://old.test/").body("content").send();
        CHECK(posted.status() == 200);
        CHECK(posted.header("Content-Type") == "text/plain");
        const std::string text = co_await posted.body().text();
        CHECK(text == "POST content");
        auto asked = co_await client.head("http://old.test/").send();
        CHECK(asked.header("Content-Length") == "5");
    });
}

TEST_CASE("so is a coroutine, whose chunked answer stays chunked") {
    testing::run([]() -> awaitable<void> {
        const auto handler =
            [](bb::request<bb::string_body>) -> awaitable<bb::response<three_pieces>> {
            bb::response<three_pieces> answer(bb::status::ok, 11);
            answer.chunked(true);
            co_return answer;
        };
        http::client client{testing::mock_connector{http::server(http::beast_service(handler))}};
        auto got = co_await client.get("http://old.test/").send();
        CHECK(got.header("Transfer-Encoding") == "chunked");
        const std::string text = co_await got.body().text();
        CHECK(text == "piecepiecepiece");
    });
}
