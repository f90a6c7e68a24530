// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "allocations.hpp"
#include <weft/core/failure.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/core/observe.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::attribute;
using weft::extensions;
using weft::severity;
using weft::span;
using weft::span_context;

namespace {

/// A logfmt observer whose lines are kept.
struct written {
    std::string text;
    weft::logfmt_options options() {
        return {.minimum = severity::trace,
                .write = [this](std::string_view line) { text += line; },
                .locations = false};
    }
    std::string take() { return std::exchange(text, {}); }
};

/// Remembers everything, as an exporter would.
struct recorder final : weft::observer_sink {
    using observer_sink::observer_sink;
    void emit(const weft::log_record& r) noexcept override {
        bodies.emplace_back(r.body);
        contexts.push_back(r.context);
        times.push_back(r.time);
        lines.push_back(r.where.line());
    }
    void add(const weft::measurement& m) noexcept override {
        sum += m.value;
        kind = m.kind;
        unit = m.unit;
    }
    std::vector<std::string> bodies;
    std::vector<span_context> contexts;
    std::vector<weft::observed_time> times;
    std::vector<unsigned> lines;
    std::int64_t sum = 0;
    weft::instrument_kind kind{};
    std::string unit;
};

constexpr weft::counter requests{"test.requests", "{request}", "Requests."};
constexpr weft::up_down_counter open_streams{"test.open", "{stream}"};

std::string value_line(weft::attribute_value v) {
    written w;
    extensions e;
    e.insert(weft::logfmt_observer(w.options()));
    weft::log(e, severity::info, "m", {{"k", v}});
    const std::string start = "level=info msg=m k=";
    REQUIRE(w.text.starts_with(start));
    REQUIRE(w.text.ends_with("\n"));
    return w.text.substr(start.size(), w.text.size() - start.size() - 1);
}

}  // namespace

static_assert(!std::is_constructible_v<weft::attribute_value, void*>);
static_assert(!std::is_constructible_v<weft::attribute_value, char>);
static_assert(weft::may_be_extension<weft::observer> && weft::may_be_extension<span_context>);

TEST_CASE("observe: without an observer everything is silent, and nothing is allocated") {
    extensions conn;
    conn.insert(1);
    extensions e;
    e.set_ingress(conn.link());
    const std::size_t before = test::allocations();
    weft::log(e, severity::fatal, "nobody hears", {{"k", "v"}});
    requests.add(e);
    open_streams.add(e, -1);
    span s(e, "work", {.kind = weft::span_kind::server, .attributes = {{"a", 1}}});
    s.set_attribute("k", 1);
    s.add_event("event");
    s.set_status(weft::span_status::error, "no");
    s.enter(e);
    s.end();
    CHECK_FALSE(s);
    CHECK_FALSE(s.context().valid());
    CHECK(weft::observer_of(e) == nullptr);
    CHECK_FALSE(weft::observed(e, severity::fatal));
    CHECK(test::allocations() == before);
    CHECK(e.size() == 0);
}

TEST_CASE(
    "observe: the observer is found in the request, its parents, its ingress and its egress "
    "connection, in this order") {
    const auto named = [](const extensions& e) {
        auto sink = std::make_shared<recorder>(severity::info);
        e.insert(weft::observer(sink));
        return sink.get();
    };
    extensions in, out, req;
    req.set_ingress(in.link());
    req.set_egress(out.link());
    const extensions attempt = req.fork();
    const auto heard = [&] {
        const auto* o = weft::observer_of(attempt);
        return o ? o->sink().get() : nullptr;
    };
    CHECK(heard() == nullptr);
    auto* by_egress = named(out);
    CHECK(heard() == by_egress);
    auto* by_ingress = named(in);
    CHECK(heard() == by_ingress);
    auto* by_request = named(req);
    CHECK(heard() == by_request);
    auto* by_attempt = named(attempt);
    CHECK(heard() == by_attempt);
    attempt.insert(weft::observer());  // silences
    CHECK(heard() == nullptr);
    weft::log(attempt, severity::fatal, "x");
    CHECK(by_attempt->bodies.empty());
}

TEST_CASE(
    "observe: a record below the minimum does not reach the sink, and the minimum may change") {
    auto sink = std::make_shared<recorder>(severity::warn);
    weft::tick_counter ticks;
    ticks.set(77ms);
    extensions e(ticks.source());
    e.insert(weft::observer(sink));
    weft::log(e, severity::info, "low");
    weft::log(e, severity::warn, "high");
    const unsigned line = __LINE__ - 1;
    CHECK_FALSE(weft::observed(e, severity::info));
    CHECK(weft::observed(e, severity::error));
    sink->set_minimum(severity::trace);
    weft::log(e, severity::trace, "lowest");
    sink->set_minimum(severity::off);
    weft::log(e, severity::fatal, "none");
    CHECK_FALSE(weft::observed(e, severity::off));
    CHECK(sink->bodies == std::vector<std::string>{"high", "lowest"});
    CHECK(sink->lines[0] == line);
    CHECK(sink->times[0] == 77ms);
}

TEST_CASE(
    "observe: counters reach the sink with their unit; one that only grows does not overflow") {
    auto sink = std::make_shared<recorder>();
    extensions e;
    e.insert(weft::observer(sink));
    requests.add(e);
    requests.add(e, 4);
    CHECK(sink->sum == 5);
    CHECK(sink->unit == "{request}");
    CHECK(sink->kind == weft::instrument_kind::counter);
    open_streams.add(e, -2);
    CHECK(sink->sum == 3);
    CHECK(sink->kind == weft::instrument_kind::up_down_counter);
    sink->sum = 0;
    requests.add(e, std::numeric_limits<std::uint64_t>::max());
    CHECK(sink->sum == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("observe: a sink that overrides nothing is silent") {
    extensions e;
    e.insert(weft::observer(std::make_shared<weft::observer_sink>(severity::trace)));
    weft::log(e, severity::fatal, "x");
    requests.add(e);
    span s(e, "x");
    CHECK_FALSE(s);
}

TEST_CASE("observe: the parent of a span travels in extensions") {
    written w;
    extensions req;
    req.insert(weft::logfmt_observer(w.options()));
    span server(req, "GET /", {.kind = weft::span_kind::server});
    CHECK(server.context().valid());
    CHECK(server.context().sampled);
    extensions inner = req.fork();
    server.enter(inner);
    span client(inner, "upstream", {.kind = weft::span_kind::client});
    CHECK(client.context().trace_id == server.context().trace_id);
    CHECK(client.context().span_id != server.context().span_id);
    span sibling(req, "other");  // req was not entered
    CHECK(sibling.context().trace_id != server.context().trace_id);
    span_context remote{.sampled = true, .remote = true};
    remote.trace_id[0] = 0xab;
    remote.span_id[7] = 1;
    span continued(req, "continued", {.parent = &remote});
    CHECK(continued.context().trace_id == remote.trace_id);

    weft::log(inner, severity::info, "within");
    CHECK(w.take() == "level=info msg=within trace=" + server.context().trace_id_hex() +
                          " span_id=" + server.context().span_id_hex() + "\n");
    const std::string server_id = server.context().span_id_hex();
    const std::string client_context =
        " trace=" + client.context().trace_id_hex() + " span_id=" + client.context().span_id_hex();
    client.set_status(weft::span_status::ok);
    client.end();
    CHECK(w.take() == "level=info span=upstream kind=client status=ok" + client_context +
                          " parent=" + server_id + "\n");
    CHECK_FALSE(client);
    client.end();
    client.set_attribute("late", 1);
    CHECK(w.take().empty());
}

TEST_CASE(
    "observe: a span prints its name, kind, status, duration, attributes and events, and ends when "
    "destroyed") {
    written w;
    weft::tick_counter ticks;
    extensions e(ticks.source());
    e.insert(weft::logfmt_observer(w.options()));
    ticks.set(100ms);
    std::string ids;
    {
        span s(e, "first name", {.attributes = {{"peer", "a b"}}});
        ids = " trace=" + s.context().trace_id_hex() + " span_id=" + s.context().span_id_hex();
        ticks.set(112ms);
        s.update_name("GET /{id}");
        s.set_attribute("http.response.status_code", 503);
        s.add_event("retry", {{"n", 2}});
        CHECK(w.take() == "level=info event=retry clock=112ms n=2 span=\"GET /{id}\"" + ids + "\n");
        s.record_exception(weft::failure(weft::failure_kind::timeout, "too late"));
        CHECK(w.take() ==
              "level=info event=exception clock=112ms exception.type=weft::failure "
              "exception.message=\"timeout: too late\" "
              "error.type=timeout span=\"GET /{id}\"" +
                  ids + "\n");
        ticks.set(150ms);
        span moved = std::move(s);
        CHECK(w.text.empty());
    }
    CHECK(w.take() ==
          "level=error span=\"GET /{id}\" kind=internal status=error description=\"too late\" "
          "duration=50ms "
          "peer=\"a b\" http.response.status_code=503" +
              ids + "\n");
    {
        span a(e, "a"), b(e, "b");
        a = std::move(b);  // ends a
        CHECK(w.take().find("span=a ") != std::string::npos);
    }
    CHECK(w.take().find("span=b ") != std::string::npos);
}

TEST_CASE("observe: a span keeps its sink alive") {
    written w;
    span s;
    {
        extensions e;
        e.insert(weft::logfmt_observer(w.options()));
        s = span(e, "long");
    }
    s.end();
    CHECK(w.text.find("span=long") != std::string::npos);
}

TEST_CASE("observe: ids are random when randomness is given, and never zero") {
    written w;
    std::uint64_t next = 0;
    auto options = w.options();
    options.random = [&] { return next++; };
    extensions e;
    e.insert(weft::logfmt_observer(std::move(options)));
    const span s(e, "x");
    CHECK(s.context().trace_id_hex() == "00000000000000010000000000000002");
    CHECK(s.context().span_id_hex() == "0000000000000003");
}

TEST_CASE("logfmt: values of every type are printed, bare or quoted as they need") {
    struct row {
        weft::attribute_value value;
        std::string_view printed;
    };
    const std::string text = "a string";
    const char* null = nullptr;
    const row rows[] = {
        {true, "true"},
        {false, "false"},
        {-3, "-3"},
        {std::int64_t{INT64_MIN}, "-9223372036854775808"},
        {std::uint64_t{UINT64_MAX}, "18446744073709551615"},
        {std::uint8_t{200}, "200"},
        {1.5, "1.5"},
        {0.1F, "0.10000000149011612"},
        {std::numeric_limits<double>::infinity(), "inf"},
        {"plain", "plain"},
        {text, "\"a string\""},
        {std::string_view("192.0.2.7:443"), "192.0.2.7:443"},
        {"[2001:db8::1]:443", "[2001:db8::1]:443"},
        {null, "\"\""},
        {"", "\"\""},
        {" ", "\" \""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", R"("say \"hi\"")"},
        {"C:\\x", R"("C:\\x")"},
        {"a\nlevel=fatal", R"("a\nlevel=fatal")"},
        {"\r\n\t", R"("\r\n\t")"},
        {std::string_view("nul\0byte", 8), R"("nul\u0000byte")"},
        {"\x1b[2J", R"("\u001b[2J")"},
        {"del\x7f", R"("del\u007f")"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "2J",
         R"("\u009b2J")"},  // C1: control sequence introducer
        {"no\xc2\xa0"
         "break",
         "\"no\xc2\xa0"
         "break\""},
        {"\xe2\x80\xae"
         "txt",
         R"("\u202etxt")"},               // right-to-left override
        {"\xe2\x80\xa8", R"("\u2028")"},  // line separator
        {"\xff", R"("\ufffd")"},
        {"\xc3", R"("\ufffd")"},  // cut off
        {"\xe2\x82", R"("\ufffd\ufffd")"},
        {"\xc0\xaf", R"("\ufffd\ufffd")"},  // overlong
        {"\xe0\x80\xaf", R"("\ufffd\ufffd\ufffd")"},
        {"\xed\xa0\x80", R"("\ufffd\ufffd\ufffd")"},            // surrogate
        {"\xf4\x90\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd")"},  // past U+10FFFF
        {"\xef\xbf\xbd", "\xef\xbf\xbd"},  // a replacement character that was sent
    };
    for (const row& r : rows) CHECK(value_line(r.value) == r.printed);
}

TEST_CASE("logfmt: no byte can end the line or a quoted value") {
    for (int first = 0; first < 256; ++first)
        for (int second = 0; second < 256; ++second) {
            const char two[] = {static_cast<char>(first), static_cast<char>(second)};
            written w;
            extensions e;
            e.insert(weft::logfmt_observer(w.options()));
            weft::log(e, severity::info, std::string_view(two, 2));
            REQUIRE(w.text.find('\n') == w.text.size() - 1);
            std::string_view v =
                std::string_view(w.text).substr(std::string_view("level=info msg=").size());
            v.remove_suffix(1);
            REQUIRE_FALSE(v.empty());
            if (v.front() == '"') {
                REQUIRE(v.size() >= 2);
                bool open = true;
                for (std::size_t i = 1; i < v.size(); ++i) {
                    REQUIRE(open);
                    if (v[i] == '\\')
                        ++i;
                    else if (v[i] == '"')
                        open = false;
                }
                REQUIRE_FALSE(open);
            } else {
                REQUIRE(v.find_first_of(" =\"\\") == std::string_view::npos);
            }
            for (char c : v) REQUIRE((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
        }
}

TEST_CASE("logfmt: keys cannot forge a field") {
    written w;
    extensions e;
    e.insert(weft::logfmt_observer(w.options()));
    weft::log(e, severity::info, "m", {{"a b=c\n\"", 1}, {"", 2}, {"http.route", 3}});
    CHECK(w.take() == "level=info msg=m a_b_c__=1 _=2 http.route=3\n");
}

TEST_CASE("logfmt: wall time is RFC 3339 in UTC") {
    struct row {
        std::int64_t ms;
        std::string_view printed;
    };
    const row rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951'782'400'000, "2000-02-29T00:00:00.000Z"},
        {1'709'251'199'123, "2024-02-29T23:59:59.123Z"},
        {4'107'542'399'000, "2100-02-28T23:59:59.000Z"},
        {4'107'542'400'000, "2100-03-01T00:00:00.000Z"},
    };
    for (const row& r : rows) {
        written w;
        auto options = w.options();
        options.unix_time = [&] { return std::chrono::milliseconds(r.ms); };
        extensions e;
        e.insert(weft::logfmt_observer(std::move(options)));
        weft::log(e, severity::debug, "m");
        CHECK(w.text == "time=" + std::string(r.printed) + " level=debug msg=m\n");
    }
}

TEST_CASE("logfmt: locations and counters are printed when asked for") {
    written w;
    auto options = w.options();
    options.locations = true;
    extensions e;
    e.insert(weft::logfmt_observer(std::move(options)));
    weft::log(e, severity::info, "m");
    const std::string line = std::to_string(__LINE__ - 1);
    CHECK(w.text.ends_with("observe_test.cpp:" + line + "\n"));
    w.take();
    requests.add(e, 3, {{"peer", "x"}});
    CHECK(w.take() == "level=trace counter=test.requests add=3 unit={request} peer=x\n");
    const_cast<weft::observer_sink&>(*weft::observer_of(e)->sink()).set_minimum(severity::debug);
    requests.add(e);
    CHECK(w.take().empty());
}

TEST_CASE("logfmt: a writer that throws hurts nobody") {
    extensions e;
    e.insert(weft::logfmt_observer(
        {.write = [](std::string_view) { throw std::runtime_error("disk full"); }}));
    weft::log(e, severity::info, "m");
    span s(e, "x");
    s.add_event("y");
    s.end();
    CHECK(true);
}

TEST_CASE("logfmt: several threads write whole lines") {
    std::mutex mutex;
    std::vector<std::string> lines;
    extensions conn;
    conn.insert(weft::logfmt_observer({.minimum = severity::info,
                                       .write =
                                           [&](std::string_view line) {
                                               const std::lock_guard lock(mutex);
                                               lines.emplace_back(line);
                                           },
                                       .locations = false}));
    std::vector<std::thread> pool;
    for (int t = 0; t < 4; ++t)
        pool.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                extensions req = conn.fork();
                span s(req, "request");
                s.enter(req);
                weft::log(req, severity::info, "m", {{"t", t}, {"i", i}});
            }
        });
    for (auto& t : pool) t.join();
    CHECK(lines.size() == 4 * 200 * 2);
    for (const auto& l : lines) {
        CHECK(l.starts_with("level=info "));
        CHECK(l.find('\n') == l.size() - 1);
    }
}

TEST_CASE("observe: severities, kinds and statuses have OpenTelemetry's names and numbers") {
    CHECK(static_cast<int>(severity::trace) == 1);
    CHECK(static_cast<int>(severity::fatal) == 21);
    CHECK(to_string(severity::debug) == "debug");
    CHECK(to_string(static_cast<severity>(10)) == "info");
    CHECK(to_string(severity::off) == "off");
    CHECK(to_string(weft::span_kind::producer) == "producer");
    CHECK(to_string(weft::span_status::unset) == "unset");
}

TEST_CASE("observe: attributes come from braces, arrays and vectors") {
    written w;
    extensions e;
    e.insert(weft::logfmt_observer(w.options()));
    const std::vector<attribute> many{{"a", 1}, {"b", true}};
    weft::log(e, severity::info, "m", many);
    const attribute one[] = {{"c", "x"}};
    weft::log(e, severity::info, "m", one);
    weft::log(e, severity::info, "m", {});
    CHECK(w.take() == "level=info msg=m a=1 b=true\nlevel=info msg=m c=x\nlevel=info msg=m\n");
}
