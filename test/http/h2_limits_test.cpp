// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// The limits on what an HTTP/2 message may be, in either direction, and what counts against the
// limits on frames.
#include "../../lib/http/h2_guard.hpp"
#include "h2_peer.hpp"

using namespace h2;

namespace {

fields many_fields(fields base, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) base.push_back({"x", "y"});
    return base;
}

}  // namespace

TEST_CASE("trailers are those of their own request, and are there without any content") {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.header("x-unread")) co_return http::text("unread");
        co_await r.body().discard();
        const http::headers* t = r.body().trailers();
        co_return http::text(t ? std::string(t->get("x-sum").value_or("")) : "none");
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        const fields sum = {{"x-sum", "7"}};
        (void)co_await p.say(greeting() + headers(1, with(post, {{"x-unread", "1"}}), END_HEADERS) +
                             headers(1, sum, END_HEADERS | END_STREAM));
        co_await p.listen();
        CHECK(p.content(1) == "unread");
        (void)co_await p.say(headers(3, post, END_HEADERS) + data(3, "x", END_STREAM));
        co_await p.listen();
        CHECK(p.content(3) == "none");
        (void)co_await p.say(headers(5, post, END_HEADERS) +
                             headers(5, sum, END_HEADERS | END_STREAM));
        co_await p.listen();
        CHECK(p.content(5) == "7");
        p.wire.stream.close();
    });
}

TEST_CASE("a Host field in place of the authority is looked at as that is") {
    int calls = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        ++calls;
        co_return http::text("served");
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting());
        std::uint32_t id = 1;
        for (const char* host : {"a:b:c", "a:99999", "a b"}) {
            INFO(host);
            const fields head = {
                {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", host}};
            (void)co_await p.say(headers(id, head));
            co_await p.listen();
            CHECK(p.content(id) != "served");
            id += 2;
        }
        CHECK(calls == 0);
        p.wire.stream.close();
    });
}

TEST_CASE("a head that is refused stays refused when trailers come with it") {
    struct row {
        fields head;
        std::string answer;
    };
    const std::string long_target = "/" + std::string(9000, 'x');
    const std::string long_value(17'000, 'x');
    const row rows[] = {
        {many_fields(post, 101), "there are too many header fields\n"},
        {with(post, {{"x", long_value}}), "the header section is too large\n"},
        {{{":method", "POST"}, {":scheme", "http"}, {":path", long_target}, {":authority", "a"}},
         "the target is too long\n"},
        {{{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a:b:c"}},
         "the authority is malformed\n"},
        {{{":method", "A-METHOD-THAT-IS-TOO-LONG"},
          {":scheme", "http"},
          {":path", "/"},
          {":authority", "a"}},
         "the method is too long\n"},
    };
    for (const row& r : rows) {
        INFO(r.answer);
        int calls = 0;
        auto app = [&](http::request) -> awaitable<http::response> {
            ++calls;
            co_return http::text("served");
        };
        with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
            const std::string head = block(r.head);
            std::string bytes = greeting();
            const std::size_t half = std::min<std::size_t>(head.size(), 16'000);
            bytes += frame(HEADERS, half == head.size() ? END_HEADERS : NONE, 1,
                           std::string_view(head).substr(0, half));
            if (half < head.size())
                bytes += frame(CONTINUATION, END_HEADERS, 1, std::string_view(head).substr(half));
            (void)co_await p.say(bytes + headers(1, {{"t", "v"}}));
            co_await p.listen();
            CHECK(calls == 0);
            CHECK(p.content(1) == r.answer);
            p.wire.stream.close();
        });
    }
}

TEST_CASE("trailer fields beyond the limits break the message, instead of being left out") {
    for (const bool large : {false, true}) {
        std::optional<std::string> got;
        auto app = [&](http::request r) -> awaitable<http::response> {
            got = co_await r.body().text();
            co_return http::text("served");
        };
        with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
            const std::string long_value(17'000, 'x');
            const std::string trailers =
                block(large ? fields{{"x", long_value}} : many_fields({}, 101));
            const std::size_t half = std::min<std::size_t>(trailers.size(), 16'000);
            (void)co_await p.say(greeting() + headers(1, post, END_HEADERS) +
                                 data(1, "text", NONE));
            co_await p.listen();
            std::string bytes =
                frame(HEADERS, END_STREAM | (half == trailers.size() ? END_HEADERS : NONE), 1,
                      std::string_view(trailers).substr(0, half));
            if (half < trailers.size())
                bytes +=
                    frame(CONTINUATION, END_HEADERS, 1, std::string_view(trailers).substr(half));
            (void)co_await p.say(bytes + headers(3, get));
            co_await p.listen();
            CHECK(p.find(RST_STREAM, 1));
            CHECK(!p.find(HEADERS, 1));
            CHECK(p.content(3) == "served");
            p.wire.stream.close();
        });
    }
}

TEST_CASE("a bomb factor of zero is one, not a division by zero") {
    http::server_options options;
    options.h2.limits.header_bomb = 0;
    with_h2_server(peers::hello, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        const std::string value(15'000, 'x');
        const std::string more = block({{"x", value}});
        (void)co_await p.say(greeting() + frame(HEADERS, END_STREAM, 1, block(get)) +
                             frame(CONTINUATION, NONE, 1, more) +
                             frame(CONTINUATION, NONE, 1, more) +
                             frame(CONTINUATION, END_HEADERS, 1, more));
        co_await p.listen();
        CHECK(p.goaway_code() == ENHANCE_YOUR_CALM);
        p.wire.stream.close();
    });
}

TEST_CASE("a response whose head is too large to be sent resets its stream, and is told") {
    std::vector<std::string> told;
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer = http::text("text");
        if (r.path() == "/head") answer.headers().set("x", std::string(70'000, 'x'));
        if (r.path() == "/trailers") {
            http::headers trailers;
            trailers.add("x", std::string(70'000, 'x'));
            answer.set_body(http::body("text").with_trailers(std::move(trailers)));
        }
        co_return answer;
    };
    http::server_options options;
    options.on_failure = [&](const failure& f) { told.emplace_back(f.what()); };
    with_h2_server(app, options, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        const auto ask = [](std::uint32_t id, std::string_view path) {
            return headers(
                id,
                {{":method", "GET"}, {":scheme", "http"}, {":path", path}, {":authority", "a"}});
        };
        (void)co_await p.say(greeting() + ask(1, "/head") + ask(3, "/trailers") + ask(5, "/"));
        co_await p.listen();
        for (const std::uint32_t id : {1u, 3u}) {
            REQUIRE(p.find(RST_STREAM, id));
            CHECK(number_at(p.find(RST_STREAM, id)->payload, 0) == INTERNAL_ERROR);
        }
        CHECK(p.content(5) == "text");
        CHECK(told.size() == 2);
        server.drain();
        co_await p.listen(3s);
        CHECK(p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("a report of a failure that throws itself costs one stream") {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.path() == "/") co_return http::text("ok");
        co_await sleep_for(1ms);
        throw failure(failure_kind::internal, "thrown by the application");
    };
    http::server_options options;
    options.on_failure = [](const failure&) { throw std::runtime_error("by the report"); };
    with_h2_server(app, options, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        const fields bad{
            {":method", "GET"}, {":scheme", "http"}, {":path", "/bad"}, {":authority", "a"}};
        (void)co_await p.say(greeting() + headers(1, bad) + headers(3) + headers(5, bad));
        co_await p.listen();
        for (const std::uint32_t id : {1u, 5u}) {
            REQUIRE(p.find(RST_STREAM, id));
            CHECK(number_at(p.find(RST_STREAM, id)->payload, 0) == INTERNAL_ERROR);
        }
        CHECK(p.content(3) == "ok");
        (void)co_await p.say(headers(7));
        co_await p.listen();
        CHECK(p.content(7) == "ok");
        server.drain();
        co_await p.listen(3s);
        CHECK(p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("what may be answered for DATA that was sent is not saved up without end") {
    using http::detail::h2_guard;
    h2_guard guard(http::h2_limits{}, h2_guard::role::server);
    for (int i = 0; i < 1'000'000; ++i) guard.sent_data();
    const std::string update = window_update(0, 1);
    std::size_t taken = 0;
    while (taken < 100'000 && !guard.inspect(update, 1000).too_much) ++taken;
    CHECK(taken >= 2'000);
    CHECK(taken <= 20'000);
}
