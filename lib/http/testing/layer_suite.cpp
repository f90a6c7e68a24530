// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../../testing/layer_laws.hpp"
#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/http/testing/layer_suite.hpp>
#include <weft/runtime/event.hpp>
#include <weft/testing/mock_connector.hpp>

namespace weft::testing {

namespace asio = boost::asio;

namespace {

struct http_vehicle {
    using req = http::request;
    using res = http::response;
    using service = any_service<req, res>;

    template <class F>
    static service from(F f) {
        return [f = std::move(f)](http::request r) -> awaitable<http::response> {
            std::string text = co_await r.body().text();
            std::string answer = co_await f(std::move(text));
            co_return http::text(std::move(answer));
        };
    }
    static awaitable<std::string> call(const service& app, std::string text) {
        http::request r(http::method::put, "http://a.test/item", std::move(text));
        http::response answer = co_await app.serve(std::move(r));
        if (answer.status() != 200)
            throw failure(failure_kind::rejected, "answered")
                .with("status", answer.status().code());
        co_return co_await answer.body().text();
    }
    static awaitable<void> ask(const service& app, std::string text) {
        http::request r(http::method::put, "http://a.test/item", std::move(text));
        http::response answer = co_await app.serve(std::move(r));
        static_cast<void>(answer);
    }
    static req make(const asio::any_io_executor&) {
        return {http::method::put, "http://a.test/item", "x"};
    }
};

using common = common_layer_laws<http_vehicle>;
using subject = common::subject;
using service = common::service;
using chunk = std::optional<bytes>;

struct fact {
    int value;
};

http::request get() { return {http::method::get, "http://a.test/"}; }

void shows_extensions(const subject& s) {
    int seen = 0;
    const service app = s.alone([&](http::request r) -> awaitable<http::response> {
        const fact* f = r.extensions().get<fact>();
        seen = f ? f->value : -1;
        co_return http::text("");
    });
    common::in_test([&]() -> awaitable<void> {
        http::request r = get();
        r.extensions().insert(fact{7});
        http::response answer = co_await app.serve(std::move(r));
        expect(answer.status() == 200, "answered");
    });
    expect(seen == 7, "the service sees the request's extensions");
}

void passes_messages(const subject& s) {
    const service app = s.alone([](http::request r) -> awaitable<http::response> {
        http::response answer = http::text(std::string(r.path()) + "?" + std::string(r.query()),
                                           http::status::accepted);
        answer.headers().add("X-Echo", r.header("X-Word").value_or("none"));
        answer.extensions().insert(fact{8});
        co_return answer;
    });
    common::in_test([&]() -> awaitable<void> {
        http::request r(http::method::get, "/a/b?c=d");
        r.headers().add("X-Word", "w");
        http::response answer = co_await app.serve(std::move(r));
        expect(answer.status() == 202, "the status");
        expect(answer.header("X-Echo") == "w", "the fields, both ways");
        const std::string text = co_await answer.body().text();
        expect(text == "/a/b?c=d", "the target and the content");
        const fact* f = answer.extensions().get<fact>();
        expect(f && f->value == 8, "the response's extensions");
    });
}

/// A body that makes a chunk when it is asked to, and counts.
http::body numbers(int n, int& made) {
    auto make = [left = n, &made]() mutable -> awaitable<chunk> {
        if (left == 0) co_return std::nullopt;
        --left;
        ++made;
        co_await sleep_for(std::chrono::milliseconds(1));
        co_return bytes(std::to_string(made) + " ");
    };
    return http::body::pull(make);
}

void streams_a_response(const subject& s) {
    int made = 0;
    const service app = s.alone([&](http::request) -> awaitable<http::response> {
        co_return http::response(200, numbers(1'000'000'000, made));
    });
    common::in_test([&]() -> awaitable<void> {
        http::response answer = co_await app.serve(get());
        expect(made == 0, "the body is not touched before it is asked for");
        for (int i = 1; i <= 20; ++i) {
            const chunk c = co_await answer.body().next();
            expect(c.has_value(), "a chunk");
            expect(made == i, "a chunk is made when it is asked for, and no sooner");
        }
    });
}

void streams_a_request(const subject& s) {
    int made = 0;
    const service app = s.alone([&](http::request r) -> awaitable<http::response> {
        expect(made == 0, "the body is not touched before it is asked for");
        for (int i = 1; i <= 20; ++i) {
            const chunk c = co_await r.body().next();
            expect(c && made == i, "a chunk is made when it is asked for, and no sooner");
        }
        co_return http::text("enough");
    });
    common::in_test([&]() -> awaitable<void> {
        http::request r(http::method::post, "/", numbers(1'000'000'000, made));
        http::response answer = co_await app.serve(std::move(r));
        const std::string text = co_await answer.body().text();
        expect(text == "enough", "answered");
    });
}

void echoes_a_stream(const subject& s) {
    const service app = s.alone([](http::request r) -> awaitable<http::response> {
        co_return http::response(200, std::move(r.body()));
    });
    common::in_test([&]() -> awaitable<void> {
        int made = 0;
        http::request r(http::method::post, "/", numbers(5, made));
        http::response answer = co_await app.serve(std::move(r));
        expect(made == 0, "not yet");
        const std::string text = co_await answer.body().text();
        expect(text == "1 2 3 4 5 ", "the request's body as the response's");
    });
}

void passes_trailers(const subject& s) {
    const service app = s.alone([](http::request r) -> awaitable<http::response> {
        const std::string text = co_await r.body().text();
        const http::headers* sent = r.body().trailers();
        http::headers back;
        back.add("X-Back", sent ? sent->get("X-Sum").value_or("lost") : "none");
        co_return http::response(200, http::body(text).with_trailers(std::move(back)));
    });
    common::in_test([&]() -> awaitable<void> {
        http::headers sum;
        sum.add("X-Sum", "12");
        http::request r(http::method::post, "/", http::body("abc").with_trailers(std::move(sum)));
        http::response answer = co_await app.serve(std::move(r));
        const std::string text = co_await answer.body().text();
        expect(text == "abc", "the content");
        const http::headers* got = answer.body().trailers();
        expect(got && got->get("X-Back") == "12", "the trailers, both ways");
    });
}

void passes_a_broken_body(const subject& s) {
    const service app = s.alone([](http::request) -> awaitable<http::response> {
        auto make = [n = 0]() mutable -> awaitable<chunk> {
            if (n++ == 0) co_return bytes(std::string("some"));
            throw failure(failure_kind::unavailable, "cut off");
        };
        co_return http::response(200, http::body::pull(make));
    });
    common::in_test([&]() -> awaitable<void> {
        http::response answer = co_await app.serve(get());
        const chunk first = co_await answer.body().next();
        expect(first.has_value(), "what came before");
        auto r = co_await attempt(answer.body().next());
        expect(!r && r.error().message() == "cut off", "a body's failure comes at its pull");
    });
}

void drops_bodies(const subject& s) {
    auto alive = std::make_shared<int>(0);
    const service app = s.alone([&](http::request) -> awaitable<http::response> {
        auto make = [alive]() -> awaitable<chunk> { co_return bytes(std::string("x")); };
        co_return http::response(200, http::body::pull(make));
    });
    common::in_test([&]() -> awaitable<void> {
        {
            http::response answer = co_await app.serve(get());
            const chunk first = co_await answer.body().next();
            expect(first && alive.use_count() > 1, "the body lives with its response");
        }
        co_await sleep_for(std::chrono::milliseconds(1));
        expect(alive.use_count() == 1, "and ends with it");
    });
}

void through_the_codecs(const subject& s) {
    const service app = s.alone(common::echo());
    common::in_test([&]() -> awaitable<void> {
        const http::client client{mock_connector(http::server(app))};
        const service both = s.alone(service(client));
        for (int i = 0; i < 5; ++i) co_await common::expect_works(both, std::to_string(i));
    });
}

void streams_through_the_codecs(const subject& s) {
    const service app = s.alone([](http::request r) -> awaitable<http::response> {
        co_return http::response(200, std::move(r.body()));
    });
    common::in_test([&]() -> awaitable<void> {
        const http::client client{mock_connector(http::server(app))};
        const service both = s.alone(service(client));
        const std::string much(512 * 1024, 'm');
        http::request r(http::method::put, "http://a.test/", much);
        http::response answer = co_await both.serve(std::move(r));
        const bytes back = co_await answer.body().read_all();
        expect(back.size() == much.size(), "half a megabyte there and back");
    });
}

void ends_with_the_client(const subject& s) {
    bool begun = false, cut = false;
    const service app = s.alone([&](http::request) -> awaitable<http::response> {
        begun = true;
        std::exception_ptr thrown;
        try {
            co_await sleep_for(std::chrono::hours(1));
        } catch (...) {
            thrown = std::current_exception();
        }
        if (thrown) {
            cut = true;
            std::rethrow_exception(thrown);
        }
        co_return http::text("");
    });
    common::in_test([&]() -> awaitable<void> {
        const http::client client{mock_connector(http::server(app))};
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn([&]() -> awaitable<void> {
                http::response answer = co_await client.serve(get());
                expect(false, "answered");
            });
            co_await sleep_for(std::chrono::milliseconds(10));
        });
        co_await sleep_for(std::chrono::milliseconds(10));
        expect(begun && cut, "a handler whose client is gone is cancelled through the layer");
    });
}

}  // namespace

std::span<const http_layer_law> http_layer_laws() {
    static const std::vector<http_layer_law> all = [] {
        std::vector<http_layer_law> laws = common::all();
        laws.push_back({"the request's extensions reach the service", shows_extensions});
        laws.push_back({"messages pass as they are", passes_messages});
        laws.push_back({"a response's body is passed on as it comes", streams_a_response});
        laws.push_back({"a request's body is passed on as it comes", streams_a_request});
        laws.push_back({"a request's body may be the response's", echoes_a_stream});
        laws.push_back({"trailers pass both ways", passes_trailers});
        laws.push_back({"a body's failure comes at its pull", passes_a_broken_body});
        laws.push_back({"a body that is dropped ends", drops_bodies});
        laws.push_back({"it works on both sides of the codecs", through_the_codecs});
        laws.push_back({"bodies stream through the codecs", streams_through_the_codecs});
        laws.push_back({"a handler whose client is gone is cancelled", ends_with_the_client});
        return laws;
    }();
    return all;
}

}  // namespace weft::testing
