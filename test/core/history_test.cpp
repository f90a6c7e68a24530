// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/extensions.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <type_traits>
#include <vector>

using weft::extensions;
using namespace std::chrono_literals;

namespace {

struct user {
    std::string name;
};
struct peer {
    int number;
};
struct printable {
    int a, b;
};
struct throws {};

}  // namespace

template <>
struct fmt::formatter<printable> {
    constexpr auto parse(fmt::format_parse_context& ctx) { return ctx.begin(); }
    template <class Context>
    auto format(const printable& p, Context& ctx) const {
        return fmt::format_to(ctx.out(), "{}/{}", p.a, p.b);
    }
};

template <>
struct fmt::formatter<throws> {
    constexpr auto parse(fmt::format_parse_context& ctx) { return ctx.begin(); }
    template <class Context>
    auto format(const throws&, Context& ctx) const {
        if (true) throw fmt::format_error("no");
        return ctx.out();
    }
};

TEST_CASE("history: every entry keeps its line, its order and its time") {
    weft::tick_counter wheel;
    extensions conn(wheel.source());
    wheel.set(1000ms);
    conn.insert(peer{1});
    const unsigned line = __LINE__ - 1;
    wheel.set(1004ms);
    extensions req = conn.fork();
    req.insert(user{"ann"});
    wheel.set(1100ms);
    conn.insert(2);

    const weft::history h = req.history();
    REQUIRE(h.size() == 3);
    CHECK(h[0].where().line() == line);
    CHECK(std::string(h[0].where().file_name()).ends_with("history_test.cpp"));
    CHECK(h[0].time() == 1000ms);
    CHECK(h[1].time() == 1004ms);
    CHECK(h[2].time() == 1100ms);
    CHECK(h[0].order() < h[1].order());
    CHECK(h[1].order() < h[2].order());
    CHECK(h[0].level() == 1);
    CHECK(h[1].level() == 0);
    CHECK(h[1].as<user>()->name == "ann");
    CHECK(h[1].as<peer>() == nullptr);
    CHECK(conn.history().size() == 2);
    CHECK(conn.fork().history()[0].level() == 1);  // also before the fork has an entry of its own
}

TEST_CASE(
    "extensions: time is unknown without a tick source, and stands still after its counter is "
    "gone") {
    extensions e;
    e.insert(1);
    CHECK(e.history()[0].time() == std::nullopt);

    extensions timed;
    {
        weft::tick_counter wheel;
        wheel.set(8ms);
        timed = extensions(wheel.source());
        CHECK(timed.ticks() == wheel.source());
    }
    timed.insert(1);
    CHECK(timed.history()[0].time() == 8ms);
    CHECK(timed.ticks().now() == 8ms);
    CHECK(timed.fork().ticks().now() == 8ms);

    // A request on a connection takes the connection's time.
    extensions req;
    req.set_ingress(timed.link());
    CHECK(req.ticks().now() == 8ms);
    req.insert(1);
    CHECK(req.history()[0].time() == 8ms);
}

TEST_CASE("history: history prints what happened, where and in which order, one line an entry") {
    weft::tick_counter wheel;
    extensions e(wheel.source());
    wheel.set(500ms);
    e.insert(printable{3, 4});
    wheel.set(512ms);
    e.insert(user{"not printed: no formatter"});
    e.insert(std::string("two\nlines"));
    e.insert(weft::secret<std::string>("hunter2"));
    const std::string text = fmt::format("{}", e.history());
    CHECK(text == e.history().to_string());
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        REQUIRE(end != std::string::npos);
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    REQUIRE(lines.size() == 4);
    const auto has = [&](std::size_t i, std::string_view part) {
        return lines[i].find(part) != std::string::npos;
    };
    CHECK(lines[0].starts_with("#0 +0ms "));
    CHECK(has(0, "printable = 3/4 at "));
    CHECK(has(0, "history_test.cpp:"));
    CHECK(lines[1].starts_with("#1 +12ms "));
    CHECK(has(1, "user at "));
    CHECK(has(2, " = \"two\\nlines\" at "));
    CHECK(has(3, "secret<"));
    CHECK(text.find("hunter2") == std::string::npos);
    CHECK(text.find("not printed") == std::string::npos);
    CHECK(e.history()[0].text() == "3/4");
    CHECK(e.history()[3].text() == std::nullopt);
}

TEST_CASE("history: a history holds what it shows after the store's owner is gone") {
    weft::history h;
    {
        extensions e;
        e.insert(std::string("still here, in more than a few letters"));
        h = e.history();
    }
    CHECK(h[0].text() == "still here, in more than a few letters");
}

TEST_CASE("history: a secret has no formatter and no conversion") {
    using password = weft::secret<std::string>;
    static_assert(!fmt::is_formattable<password>::value);
    static_assert(!std::is_convertible_v<password, std::string>);
    static_assert(!std::is_convertible_v<std::string, password>);
    CHECK(password("a") == password("a"));
    CHECK_FALSE(password("a") == password("b"));
    CHECK(std::hash<password>{}(password("a")) == std::hash<std::string>{}("a"));
    CHECK(password("a").reveal() == "a");
}

TEST_CASE("history: a formatter that throws hides no other entry") {
    extensions e;
    e.insert(throws{});
    e.insert(7);
    const std::string text = e.history().to_string();
    CHECK(text.find("(its formatter failed) at ") != std::string::npos);
    CHECK(text.find("#1 int = 7 at ") != std::string::npos);
}
