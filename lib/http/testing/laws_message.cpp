// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"
#include <weft/http/interim.hpp>
#include <weft/runtime/event.hpp>

#include <array>
#include <vector>

namespace weft::testing::http_laws {

namespace {

using trial = connection_trial;

/// Answers with what it was asked: "METHOD target".
const auto mirror = [](http::request r) -> awaitable<http::response> {
    co_return http::text(std::string(r.method().text()) + " " + std::string(r.target()));
};

awaitable<void> a_get(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer = http::text("Hello, " + r.query("name").value_or("world"));
        answer.headers().set("X-Served-By", "the law");
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/?name=Ann"));
    t.expect(r.status() == 200, "the status arrives");
    t.expect(r.header("X-Served-By") == "the law", "the fields arrive");
    const std::string text = co_await r.body().text();
    t.equal(text, "Hello, Ann", "the content arrives");
}

awaitable<void> methods(trial& t) {
    connection_pair c = co_await t.connect(mirror);
    for (const char* name : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"}) {
        const http::method m{std::string_view(name)};
        const std::string text = co_await content_of(c, http::request(m, "http://host.test/x"));
        t.equal(text, std::string(name) + " /x", name);
    }
}

awaitable<void> targets(trial& t) {
    connection_pair c = co_await t.connect(mirror);
    for (const std::string target :
         {"/", "/a/b%20c;p=1", "/?", "/?q=a+b&q=%C3%A9", "//x//", "/%2F"}) {
        const std::string text = co_await content_of(c, get(target));
        t.equal(text, "GET " + target, "the target arrives as it was sent");
    }
}

awaitable<void> authority(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::text(std::string(r.header("Host").value_or("none")));
    };
    connection_pair c = co_await t.connect(app);
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "host.test", "the host that was asked arrives");
}

awaitable<void> request_fields(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        std::string seen;
        for (const auto [name, value, id] : r.headers().get_all("X-Many"))
            seen += std::string(value) + ";";
        seen += std::string(r.header("x-CASE").value_or("none"));
        seen += r.header("X-Empty") == "" ? ";empty" : ";missing";
        co_return http::text(seen);
    };
    connection_pair c = co_await t.connect(app);
    http::request r = get("/");
    for (const char* v : {"one", "two, three", "four"}) r.headers().add("X-Many", v);
    r.headers().add("X-Case", "any case");
    r.headers().add("X-Empty", "");
    const std::string text = co_await content_of(c, std::move(r));
    t.equal(text, "one;two, three;four;any case;empty", "fields arrive, in order, all of a name");
}

awaitable<void> response_fields(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        http::response answer = http::text("x");
        for (const char* v : {"a=1", "b=2", "c=3"}) answer.headers().add("Set-Cookie", v);
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    std::string seen;
    for (const auto [name, value, id] : r.headers().get_all("Set-Cookie"))
        seen += std::string(value) + ";";
    t.equal(seen, "a=1;b=2;c=3;", "repeated fields arrive apart, in order");
    t.expect(r.headers().contains("Date"), "a server says when it answered (RFC 9110 6.6.1)");
    const std::string text = co_await r.body().text();
}

awaitable<void> long_fields(trial& t) {
    const std::string value(6000, 'v');
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer = http::text("x");
        answer.headers().set("X-Long", r.header("X-Long").value_or("none"));
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    http::request r = get("/");
    r.headers().add("X-Long", value);
    http::response answer = co_await c.client.serve(std::move(r));
    t.expect(answer.header("X-Long") == value, "a field of 6,000 bytes passes both ways");
    const std::string text = co_await answer.body().text();
}

awaitable<void> connection_fields_stay(trial& t) {
    // RFC 9110 7.6.1: what is about the connection is not the application's, on either side.
    auto app = [](http::request) -> awaitable<http::response> {
        http::response answer = http::text("12345");
        answer.headers().add("Transfer-Encoding", "chunked");
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    for (int i = 0; i < 2; ++i) {
        const std::string text = co_await content_of(c, get("/"));
        t.equal(text, "12345", "a Transfer-Encoding of the application's own is dropped");
    }
}

awaitable<void> statuses(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::text("x", std::stoi(std::string(r.path().substr(1))));
    };
    connection_pair c = co_await t.connect(app);
    for (const int status : {200, 201, 206, 226, 301, 307, 400, 404, 418, 499, 500, 599}) {
        http::response r = co_await c.client.serve(get("/" + std::to_string(status)));
        t.expect(r.status() == status, "the status arrives: " + std::to_string(status));
        const std::string text = co_await r.body().text();
        t.equal(text, "x", "and its content");
    }
}

awaitable<void> head_requests(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.path() == "/made") co_return http::response(200, repeated("piece", 3));
        co_return http::text("twelve bytes");
    };
    connection_pair c = co_await t.connect(app);
    for (const char* path : {"/", "/made", "/"}) {
        http::response r = co_await c.client.serve(
            http::request(http::method::head, "http://host.test" + std::string(path)));
        t.expect(r.status() == 200, "the status arrives");
        if (path == std::string_view("/"))
            t.expect(r.headers().content_length() == 12, "with the length that a GET would have");
        const std::string text = co_await r.body().text();
        t.equal(text, "", "and without content");
    }
}

awaitable<void> without_content(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer(std::stoi(std::string(r.path().substr(1))));
        answer.headers().set("ETag", "\"1\"");
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    for (const int status : {204, 304, 200, 204}) {
        http::response r = co_await c.client.serve(get("/" + std::to_string(status)));
        t.expect(r.status() == status, "the status arrives");
        t.expect(r.header("ETag") == "\"1\"", "and its fields");
        const std::string text = co_await r.body().text();
        t.equal(text, "", "and no content");
    }
}

awaitable<void> expect_continue(trial& t) {
    bool pulled = false;
    bool made_before = false;
    bool made = false;
    auto app = [&](http::request r) -> awaitable<http::response> {
        made_before = made;
        pulled = true;
        std::string text = co_await r.body().text();
        co_return http::text(std::move(text));
    };
    http::client_options patient;
    patient.continue_timeout = std::chrono::hours(1);
    connection_pair c = co_await t.connect(app, {}, patient);
    auto make = [&, left = 2]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (left-- == 0) co_return std::nullopt;
        made = true;
        co_return weft::bytes("piece");
    };
    http::request r = post("/", http::body::pull(make));
    r.headers().set("Expect", "100-continue");
    const std::string text = co_await content_of(c, std::move(r));
    t.equal(text, "piecepiece", "the content arrives");
    t.expect(pulled && !made_before, "and not before the server asked for it");
}

awaitable<void> expect_refused(trial& t) {
    bool made = false;
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::text("not for you", 403);
    };
    http::client_options patient;
    patient.continue_timeout = std::chrono::hours(1);
    connection_pair c = co_await t.connect(app, {}, patient);
    auto make = [&]() -> awaitable<std::optional<weft::bytes>> {
        made = true;
        co_return std::nullopt;
    };
    http::request r = post("/", http::body::pull(make));
    r.headers().set("Expect", "100-continue");
    http::response answer = co_await c.client.serve(std::move(r));
    t.expect(answer.status() == 403, "the final status arrives in place of 100");
    const std::string text = co_await answer.body().text();
    t.equal(text, "not for you", "and its content");
    t.expect(!made, "and the body was not asked for");
}

awaitable<void> interim_responses(trial& t) {
    event heard;  // the answer is made when the hints have come
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (r.path() == "/plain") co_return http::text("plain");
        for (const char* link : {"</a.css>", "</b.css>"}) {
            http::response_head hints(http::status::early_hints);
            hints.headers().add("Link", link);
            http::send_interim(r, std::move(hints));
        }
        http::interim_sender late(r);
        co_await heard.wait();
        auto make = [late, left = 1]() mutable -> awaitable<std::optional<weft::bytes>> {
            late.send(http::response_head(102));
            if (left-- == 0) co_return std::nullopt;
            co_return weft::bytes("page");
        };
        co_return http::response(200, http::body::pull(make));
    };
    connection_pair c = co_await t.connect(app);
    std::string links;
    http::request r = get("/");
    r.extensions().insert(http::on_interim{[&](const http::response_head& head) {
        links += std::to_string(head.status().code()) + " " +
                 std::string(head.headers().get("Link").value_or("none")) + ";";
        if (head.headers().get("Link") == "</b.css>") heard.set();
    }});
    const std::string text = co_await content_of(c, std::move(r));
    t.equal(text, "page", "the answer comes after them");
    t.equal(links, "103 </a.css>;103 </b.css>;", "they come in order, before the answer");
    heard.set();
    const std::string unheard = co_await content_of(c, get("/"));
    t.equal(unheard, "page", "who does not listen gets the answer");
    const std::string plain = co_await content_of(c, get("/plain"));
    t.equal(plain, "plain", "and the next one");
}

awaitable<void> request_trailers(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        const std::string text = co_await r.body().text();
        const http::headers* trailers = r.body().trailers();
        co_return http::text(text + ":" +
                             std::string(trailers ? trailers->get("Sum").value_or("?") : "none"));
    };
    connection_pair c = co_await t.connect(app);
    http::headers sum{{"Sum", "7"}};
    http::request r = post("/", repeated("ab", 2).with_trailers(std::move(sum)));
    const std::string text = co_await content_of(c, std::move(r));
    t.equal(text, "abab:7", "trailer fields come with the end of a request's body");
    const std::string plain = co_await content_of(c, post("/", repeated("ab", 2)));
    t.equal(plain, "abab:none", "and are none where there were none");
}

awaitable<void> response_trailers(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        http::headers sum{{"Sum", "7"}, {"Other", "8"}};
        co_return http::response(200, repeated("ab", 2).with_trailers(std::move(sum)));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    t.expect(!r.body().trailers(), "no trailers before the end");
    const std::string text = co_await r.body().text();
    t.equal(text, "abab", "the content arrives");
    const http::headers* trailers = r.body().trailers();
    t.expect(trailers && trailers->get("Sum") == "7" && trailers->get("Other") == "8",
             "trailer fields come with the end of a response's body");
}

constexpr connection_law laws[] = {
    {"a GET brings status, fields and content", a_get},
    {"every method arrives as it was sent", methods},
    {"a target arrives as it was sent", targets},
    {"the host that was asked arrives", authority},
    {"a request's fields arrive in order, repeated and empty ones too", request_fields},
    {"a response's repeated fields arrive apart, and it is dated", response_fields},
    {"long fields pass both ways", long_fields},
    {"an application cannot break the framing by a field", connection_fields_stay},
    {"every status arrives", statuses},
    {"HEAD brings the fields and no content", head_requests},
    {"204 and 304 have no content", without_content},
    {"with Expect: 100-continue the body waits until it is wanted", expect_continue},
    {"an expectation that is turned down never asks for the body", expect_refused},
    {"interim responses come before their answer, in order", interim_responses},
    {"trailer fields come with the end of a request's body", request_trailers},
    {"trailer fields come with the end of a response's body", response_trailers},
};

}  // namespace

std::span<const connection_law> message_laws() { return laws; }

}  // namespace weft::testing::http_laws
