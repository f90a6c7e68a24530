// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/head.hpp>
#include <weft/http/headers.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace weft;
using namespace weft::http;

namespace {

std::string print(const headers& h) {
    std::string out;
    for (const auto& [name, value, id] : h) out.append(name).append("=").append(value).append(";");
    return out;
}

template <class Range>
std::vector<std::string> strings(const Range& range) {
    std::vector<std::string> out;
    for (const auto& element : range) out.emplace_back(element);
    return out;
}

template <class F>
bool refused(F&& f) {
    try {
        f();
    } catch (const failure& e) {
        return e.kind() == failure_kind::invalid_input;
    }
    return false;
}

}  // namespace

TEST_CASE("headers keep order, spelling and repeated fields, and look up without regard to case") {
    headers h;
    CHECK(h.empty());
    h.add("hOsT", "a");
    h.add("X-One", "1");
    h.add("Set-Cookie", "b=1");
    h.add("x-one", "2");
    h.add(field::set_cookie, "c=2");
    CHECK(print(h) == "hOsT=a;X-One=1;Set-Cookie=b=1;x-one=2;Set-Cookie=c=2;");
    CHECK(h.get("HOST") == "a");
    CHECK(h.get(field::host) == "a");
    CHECK(h.get("X-ONE") == "1");
    CHECK_FALSE(h.get("X-On").has_value());
    CHECK_FALSE(h.get(field::accept).has_value());
    CHECK(h.count("x-One") == 2);
    CHECK(h.count(field::set_cookie) == 2);
    CHECK(h.contains("x-one"));
    std::string all;
    for (const auto& f : h.get_all("X-one")) all.append(f.name).append(f.value);
    CHECK(all == "X-One1x-one2");
    CHECK(h.size() == 5);
    CHECK(std::distance(h.begin(), h.end()) == 5);
    CHECK((*(h.end() - 1)).value == "c=2");
}

TEST_CASE("set replaces the first field of a name, erases the others, and keeps its place") {
    headers h{{"A", "1"}, {"B", "2"}, {"a", "3"}, {"C", "4"}, {"A", "5"}};
    h.set("a", "longer than before");
    CHECK(print(h) == "A=longer than before;B=2;C=4;");
    h.set("A", "x");
    CHECK(print(h) == "A=x;B=2;C=4;");
    h.set("D", "");
    CHECK(print(h) == "A=x;B=2;C=4;D=;");
    CHECK(h.erase("b") == 1);
    CHECK(h.erase("b") == 0);
    CHECK(print(h) == "A=x;C=4;D=;");
    h.clear();
    CHECK(h.empty());
    CHECK_FALSE(h.contains("A"));
}

TEST_CASE("erasing a numbered field also forgets its number") {
    headers h{{"Content-Length", "1"}, {"Host", "a"}, {"content-length", "2"}};
    CHECK(h.contains(field::content_length));
    CHECK_FALSE(h.content_length().has_value());
    CHECK(h.erase(field::content_length) == 2);
    CHECK_FALSE(h.contains(field::content_length));
    CHECK(h.contains(field::host));
    h.set(field::content_length, "18446744073709551615");
    CHECK(h.content_length() == 18446744073709551615u);
    h.set(field::content_length, "18446744073709551616");
    CHECK_FALSE(h.content_length().has_value());
    h.set(field::content_length, "-1");
    CHECK_FALSE(h.content_length().has_value());
}

TEST_CASE("no insertion can smuggle a field or end the head, and a refused one changes nothing") {
    headers h{{"A", "1"}};
    for (const std::string_view name : {"", "a b", "a:", "a\r\nb", "a\nb", "é"}) {
        CAPTURE(name);
        CHECK(refused([&] { h.add(name, "v"); }));
        CHECK(refused([&] { h.set(name, "v"); }));
    }
    CHECK(refused([&] { h.add(std::string_view("a\0b", 3), "v"); }));
    for (const std::string& value :
         {std::string("a\r\nX: y"), std::string("a\nb"), std::string("a\rb"),
          std::string("a\0b", 3), std::string("\x7f"), std::string("\x01")}) {
        CHECK(refused([&] { h.add("B", value); }));
        CHECK(refused([&] { h.set("A", value); }));
        CHECK(refused([&] { h.add(field::host, value); }));
    }
    CHECK(refused([&] { h.add(field::other, "x"); }));
    CHECK(print(h) == "A=1;");
    h.add("B", " \tspaced \xc3\xa9 out\t ");
    CHECK(h.get("b") == "spaced \xc3\xa9 out");
}

TEST_CASE("arguments may point into the headers that they change") {
    headers h{{"A", "value"}};
    for (int i = 0; i < 200; ++i) h.add(h[h.size() - 1].name, h[h.size() - 1].value);
    CHECK(h.count("a") == 201);
    CHECK(h[200].value == "value");
    h.set("B", std::string(1000, 'b'));
    h.set("A", *h.get("B"));
    CHECK(h.get("A") == std::string(1000, 'b'));
    CHECK(h.size() == 2);
    h.set("A", h.get("A")->substr(10, 20));
    CHECK(h.get("A") == std::string(20, 'b'));
}

TEST_CASE("a list is split at commas over all lines, but not in quoted strings") {
    headers h{{"Accept", "a, b;q=\"x,y\\\",z\" ,, c"},
              {"Other", "1"},
              {"accept", ""},
              {"ACCEPT", " ,d\t,"}};
    CHECK(strings(h.list("Accept")) ==
          std::vector<std::string>{"a", "b;q=\"x,y\\\",z\"", "c", "d"});
    CHECK(strings(h.list(field::accept)).size() == 4);
    CHECK(h.list("Missing").empty());
    CHECK(h.has_token(field::accept, "D"));
    CHECK_FALSE(h.has_token(field::accept, "b"));
    CHECK(h.has_token("Other", "1"));
    headers open{{"A", "x, \"never closed, y\\"}};
    CHECK(strings(open.list("A")) == std::vector<std::string>{"x", "\"never closed, y\\"});
}

TEST_CASE("copies are deep, moves leave an empty object") {
    headers a{{"A", "1"}, {"Host", "h"}};
    headers b = a;
    b.set("A", "2");
    CHECK(a.get("A") == "1");
    CHECK(b.contains(field::host));
    headers c = std::move(b);
    CHECK(b.empty());  // NOLINT(bugprone-use-after-move)
    CHECK(print(c) == "A=2;Host=h;");
    b = c;
    swap(a, b);
    CHECK(print(a) == "A=2;Host=h;");
    CHECK(print(b) == "A=1;Host=h;");
    a = headers{};
    CHECK(a.empty());
}

TEST_CASE("every numbered field is found by each spelling, and nothing else is") {
    for (int i = 1; i <= static_cast<int>(field::x_forwarded_for); ++i) {
        const auto f = static_cast<field>(i);
        std::string name(to_string(f));
        CAPTURE(name);
        CHECK(recognize(name) == f);
        for (char& c : name) c = static_cast<char>(std::toupper(c));
        CHECK(recognize(name) == f);
        for (char& c : name) c = static_cast<char>(std::tolower(c));
        CHECK(recognize(name) == f);
        for (std::size_t k = 0; k < name.size(); ++k)
            for (int bit = 0; bit < 8; ++bit) {
                std::string other = name;
                other[k] = static_cast<char>(other[k] ^ (1 << bit));
                const bool same_letter = detail::iequals(other, name);
                CHECK((recognize(other) == f) == same_letter);
            }
    }
    CHECK(recognize("") == field::other);
    CHECK(recognize("X-Unknown") == field::other);
}

TEST_CASE("a request head starts as GET / and keeps its line apart from its fields") {
    request_head head;
    CHECK(head.method() == method::get);
    CHECK(head.target() == "/");
    head.headers().add("Host", "a");
    CHECK(head.target() == "/");
    head.set_method(method("PURGE"));
    head.set_target("/a?b=c");
    head.set_version(version::http_1_0);
    CHECK(head.method() == "PURGE");

    request_head copy = head;
    headers taken = std::move(head.headers());
    CHECK(print(taken) == "Host=a;");
    CHECK(head.headers().empty());
    CHECK(head.target() == "/a?b=c");
    CHECK(head.method().text() == "PURGE");
    head.headers() = headers{{"X", "y"}};
    CHECK(head.target() == "/a?b=c");
    CHECK(head.version() == version::http_1_0);
    CHECK(print(head.headers()) == "X=y;");
    head.headers() = headers{};
    CHECK(head.target() == "/a?b=c");
    head.headers() = copy.headers();
    CHECK(print(head.headers()) == "Host=a;");
    head.headers() = std::move(copy.headers());
    CHECK(copy.target() == "/a?b=c");
    for (int i = 0; i < 100; ++i) head.headers().add("Fill", std::string(50, 'x'));
    CHECK(head.target() == "/a?b=c");
    head.set_target("/" + std::string(5000, 't'));
    CHECK(head.target().size() == 5001);
    head.set_target(head.headers()[5].value);
    CHECK(head.target() == std::string(50, 'x'));
    request_head from_own;
    from_own.headers().add("T", "/" + std::string(190, 't'));
    from_own.headers().add("U", std::string(1000, 'u'));
    from_own.set_target(*from_own.headers().get("U"));
    CHECK(from_own.target() == std::string(1000, 'u'));
    for (const std::string_view bad : {"", "/a b", "/a#b", "/\r\n", "/\xc3\xa9", "/\x7f"})
        CHECK(refused([&] { head.set_target(bad); }));
}

TEST_CASE("a response head has the usual phrase of its code unless another is set") {
    response_head head;
    CHECK(head.status() == 200);
    CHECK(head.reason() == "OK");
    head.headers().add("A", "b");
    head.set_status(404);
    CHECK(head.reason() == "Not Found");
    head.set_status(404, "Gone fishing");
    CHECK(head.reason() == "Gone fishing");
    response_head copy = head;
    CHECK(copy.reason() == "Gone fishing");
    CHECK(copy.headers().get("a") == "b");
    copy.set_status(status::service_unavailable);
    CHECK(copy.reason() == "Service Unavailable");
    CHECK(refused([&] { head.set_status(200, "a\r\nb"); }));
    CHECK(refused([&] { head.set_status(99); }));
    CHECK(refused([&] { head.set_status(1000); }));
    CHECK(status(999).reason().empty());
    CHECK(status(204).forbids_content());
    CHECK(response_head(status::not_modified).status() == 304);
}

TEST_CASE("methods are tokens, case-sensitive, and know whether they may be sent again") {
    CHECK(method("GET") == method::get);
    CHECK(method("get") != method::get);
    CHECK(method("get").id() == method::known::other);
    CHECK(method("DELETE").id() == method::known::delete_);
    CHECK(method::parse("M-SEARCH")->text() == "M-SEARCH");
    CHECK(sizeof(method) == 24);
    for (const auto& m :
         {method::get, method::head, method::options, method::trace, method("PROPFIND")}) {
        CHECK(m.safe());
        CHECK(m.idempotent());
    }
    for (const auto& m :
         {method::put, method::delete_, method("VERSION-CONTROL"), method("MKCOL")}) {
        CHECK_FALSE(m.safe());
        CHECK(m.idempotent());
    }
    for (const auto& m :
         {method::post, method::patch, method::connect, method("LOCK"), method("get")})
        CHECK_FALSE(m.idempotent());
    for (const std::string_view bad : {"", "A B", "A\r\n", "ABCDEFGHIJKLMNOPQRSTUVW", "\xc3"}) {
        CHECK_FALSE(method::parse(bad).has_value());
        CHECK(refused([&] { (void)method(bad); }));
    }
}
