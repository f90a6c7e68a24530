// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Every published case of h2spec, by its number: what is sent, frame by frame, and what a server
// has to answer (RFC 9113, RFC 7541). On clear text and over TLS, in memory, in virtual time.
#include "h2_peer.hpp"
#include "tls_pairs.hpp"

#include <algorithm>
#include <initializer_list>

using namespace h2;

namespace {

struct expected {
    enum class what {
        response,
        connection_error,
        stream_error,
        pong,
        settings_ack,
        closed,
        content
    };
    what kind;
    std::vector<std::uint32_t> codes;   // of an error
    std::vector<std::size_t> contents;  // the sizes of DATA frames of stream 1
    std::uint32_t stream = 1;
};

expected response(std::uint32_t stream = 1) { return {expected::what::response, {}, {}, stream}; }
expected connection_error(std::initializer_list<std::uint32_t> codes) {
    return {expected::what::connection_error, codes, {}, 0};
}
expected stream_error(std::initializer_list<std::uint32_t> codes, std::uint32_t stream = 1) {
    return {expected::what::stream_error, codes, {}, stream};
}
expected content(std::initializer_list<std::size_t> sizes) {
    return {expected::what::content, {}, sizes, 1};
}
const expected pong{expected::what::pong, {}, {}, 0};
const expected settings_acked{expected::what::settings_ack, {}, {}, 0};
const expected closed{expected::what::closed, {}, {}, 0};

struct row {
    const char* id;
    std::vector<std::string> steps;  // each after what the one before it brought
    expected answer;
    bool greets = true;  // the preface and SETTINGS come before
};

bool has(const std::vector<std::uint32_t>& codes, long code) {
    return std::find(codes.begin(), codes.end(), static_cast<std::uint32_t>(code)) != codes.end();
}

std::string judge(const frame_peer& p, const expected& e) {
    const long goaway = p.goaway_code();
    switch (e.kind) {
        case expected::what::response: {
            if (goaway > 0) return "GOAWAY " + std::to_string(goaway);
            const seen* f = p.find(HEADERS, e.stream);
            if (!f) return "no response";
            return f->payload[0] == '\x88' ? "" : "another status";
        }
        case expected::what::connection_error:
            if (!p.ended()) return "the connection goes on";
            return has(e.codes, goaway) ? "" : "GOAWAY " + std::to_string(goaway);
        case expected::what::stream_error: {
            const seen* f = p.find(RST_STREAM, e.stream);
            if (f && has(e.codes, number_at(f->payload, 0))) return "";
            if (p.ended() && has(e.codes, goaway)) return "";
            return f ? "RST_STREAM " + std::to_string(number_at(f->payload, 0)) : "no RST_STREAM";
        }
        case expected::what::pong: {
            const seen* f = p.find(PING, 0);
            return f && f->flags == ACK && f->payload == "12345678" ? "" : "no answer to PING";
        }
        case expected::what::settings_ack:
            for (const seen& f : p.got)
                if (f.type == SETTINGS && f.flags == ACK) return goaway > 0 ? "GOAWAY" : "";
            return "no acknowledgement";
        case expected::what::closed:
            return p.ended() ? "" : "the connection goes on";
        case expected::what::content: {
            std::vector<std::size_t> sizes;
            for (const seen& f : p.got)
                if (f.type == DATA && f.stream == e.stream) sizes.push_back(f.payload.size());
            if (sizes == e.contents) return "";
            std::string text = "DATA of";
            for (std::size_t n : sizes) text += " " + std::to_string(n);
            return text;
        }
    }
    return "?";
}

/// Answers "hello" to GET, and the size of what came to others.
const auto app = [](http::request r) -> awaitable<http::response> {
    if (r.method() == http::method::get || r.method() == http::method::head)
        co_return http::text("hello");
    const std::uint64_t size = co_await r.body().discard();
    co_return http::text(std::to_string(size));
};

std::string outcome(const row& r, const testing::stream_pair_factory& connect) {
    std::string result;
    auto body = [&](frame_peer& p, http::server&) -> awaitable<void> {
        if (r.greets) (void)co_await p.say(greeting());
        for (const std::string& step : r.steps) {
            (void)co_await p.say(step);
            co_await p.listen();
        }
        result = judge(p, r.answer);
        p.wire.stream.close();
    };
    with_h2_server_over(connect, app, {}, body);
    return result;
}

std::string priority(std::uint32_t stream, std::uint32_t on, unsigned weight,
                     bool exclusive = false) {
    return frame(PRIORITY, NONE, stream,
                 number(on | (exclusive ? 0x80000000u : 0u), 4) + number(weight, 1));
}

/// The head in two or more pieces.
std::string split(std::uint32_t stream, std::size_t pieces, unsigned first_flags = END_STREAM) {
    const std::string all = block(with(get, {{"x-one", "1"}, {"x-two", "2"}}));
    std::string s;
    const std::size_t size = all.size() / pieces;
    for (std::size_t i = 0; i < pieces; ++i) {
        const bool last = i + 1 == pieces;
        const std::string part = all.substr(i * size, last ? all.npos : size);
        s += frame(i == 0 ? HEADERS : CONTINUATION,
                   (i == 0 ? first_flags : 0u) | (last ? END_HEADERS : 0u), stream, part);
    }
    return s;
}

/// A head block of one's own.
std::string raw_headers(std::string_view block_text, unsigned flags = END_STREAM | END_HEADERS) {
    return frame(HEADERS, flags, 1, block_text);
}

const std::string big(16384, 'x');
const unsigned unfinished = END_HEADERS;  // a stream whose content is to come

void check(const std::vector<row>& rows) {
    const auto clear_text = [](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        co_return io::duplex(ex);
    };
    const testing::stream_pair_factory over_tls = tls_pairs::over_tls("h2", 64 * 1024);
    for (const row& r : rows) {
        INFO(std::string(r.id));
        CHECK(outcome(r, clear_text) == "");
        CHECK(outcome(r, over_tls) == "");
    }
}

}  // namespace

TEST_CASE("h2spec: generic") {
    const std::string request =
        "\x82\x86\x84\x41\x01"
        "a";  // GET http / and :authority as literals
    const auto custom = [&](std::string_view more) {
        return raw_headers(request + std::string(more));
    };
    check({
        {"generic/1/1", {""}, settings_acked},
        {"generic/2/1", {priority(1, 0, 255) + headers(1)}, response()},
        {"generic/2/2", {headers(1), window_update(1, 1)}, response()},
        {"generic/2/3", {headers(1), priority(1, 0, 255)}, response()},
        {"generic/2/4", {headers(1), rst(1) + headers(3)}, response(3)},
        {"generic/2/5", {headers(1), priority(1, 0, 255) + headers(3)}, response(3)},
        {"generic/3.1/1", {headers(1, post, unfinished) + data(1, "test")}, response()},
        {"generic/3.1/2",
         {headers(1, post, unfinished) + data(1, "test", NONE) + data(1, "test")},
         response()},
        {"generic/3.1/3",
         {headers(1, post, unfinished) +
          frame(DATA, END_STREAM | PADDED, 1, number(6, 1) + "test" + std::string(6, '\0'))},
         response()},
        {"generic/3.2/1", {headers(1)}, response()},
        {"generic/3.2/2",
         {frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1,
                number(3, 1) + block(get) + std::string(3, '\0'))},
         response()},
        {"generic/3.2/3",
         {frame(HEADERS, END_STREAM | END_HEADERS | PRIO, 1,
                number(0, 4) + number(255, 1) + block(get))},
         response()},
        {"generic/3.3/1", {priority(1, 0, 0) + headers(1)}, response()},
        {"generic/3.3/2", {priority(1, 0, 255) + headers(1)}, response()},
        {"generic/3.3/3", {priority(3, 1, 255) + headers(5)}, response(5)},
        {"generic/3.3/4", {priority(1, 0, 255, true) + headers(1)}, response()},
        {"generic/3.3/5", {priority(5, 0, 255) + headers(1)}, response()},
        {"generic/3.4/1", {headers(1, post, unfinished) + rst(1) + headers(3)}, response(3)},
        {"generic/3.5/1", {settings({{3, 100}})}, settings_acked},
        {"generic/3.7/1", {ping()}, pong},
        {"generic/3.8/1", {goaway(0)}, closed},
        {"generic/3.9/1", {window_update(0, 1) + headers(1)}, response()},
        {"generic/3.9/2",
         {headers(1, post, unfinished) + window_update(1, 1) + data(1, "x")},
         response()},
        {"generic/3.10/1", {split(1, 2)}, response()},
        {"generic/3.10/2", {split(1, 4)}, response()},
        {"generic/4/1", {headers(1)}, response()},
        {"generic/4/2",
         {headers(1,
                  {{":method", "HEAD"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})},
         response()},
        {"generic/4/3", {headers(1, post, unfinished) + data(1, "test")}, response()},
        {"generic/4/4",
         {headers(1, with(post, {{"trailer", "x-sum"}}), unfinished) + data(1, "test", NONE) +
          headers(1, {{"x-sum", "test"}})},
         response()},
        {"generic/5/1", {custom("")}, response()},
        {"generic/5/2", {custom("\x7a\x04test")}, response()},
        {"generic/5/3", {custom("\x7a\x83\x49\x50\x9f")}, response()},
        {"generic/5/4", {custom("\x40\x04x-ab\x04test")}, response()},
        {"generic/5/5", {custom("\x40\x83\x49\x50\x9f\x83\x49\x50\x9f")}, response()},
        {"generic/5/6", {custom("\x0f\x2b\x04test")}, response()},
        {"generic/5/7", {custom("\x0f\x2b\x83\x49\x50\x9f")}, response()},
        {"generic/5/8", {custom(std::string("\0\x04x-ab\x04test", 11))}, response()},
        {"generic/5/9", {custom(std::string("\0\x83\x49\x50\x9f\x83\x49\x50\x9f", 9))}, response()},
        {"generic/5/10", {custom("\x1f\x2b\x04test")}, response()},
        {"generic/5/11", {custom("\x1f\x2b\x83\x49\x50\x9f")}, response()},
        {"generic/5/12", {custom("\x10\x04x-ab\x04test")}, response()},
        {"generic/5/13", {custom("\x10\x83\x49\x50\x9f\x83\x49\x50\x9f")}, response()},
        {"generic/5/14", {raw_headers("\x3f\x61" + request)}, response()},
        {"generic/5/15", {raw_headers("\x20\x3f\x61" + request)}, response()},
    });
}

TEST_CASE("h2spec: http2, connection and frames") {
    check({
        {"http2/3.5/1", {greeting()}, settings_acked, false},
        {"http2/3.5/2", {"INVALID CONNECTION PREFACE\r\n\r\n"}, closed, false},
        {"http2/4.1/1", {frame(0x16, NONE, 0, std::string(8, '\0')) + ping()}, pong},
        {"http2/4.1/2", {ping("12345678", 0x16)}, pong},
        {"http2/4.1/3", {frame(PING, NONE, 0x80000000u, "12345678")}, pong},
        {"http2/4.2/1", {headers(1, post, unfinished) + data(1, big)}, response()},
        {"http2/4.2/2",
         {headers(1, post, unfinished) + data(1, big + "x")},
         stream_error({FRAME_SIZE_ERROR})},
        {"http2/4.2/3",
         {headers(1, with(get, {{"x-big", big}}))},
         connection_error({FRAME_SIZE_ERROR})},
        {"http2/4.3/1",
         {raw_headers("\x82\x86\x84\x41\xff\xff\xff\xff\xff\xff")},
         connection_error({COMPRESSION_ERROR})},
        {"http2/4.3/2",
         {frame(HEADERS, END_STREAM, 1, block(get)) + priority(1, 0, 255)},
         connection_error({PROTOCOL_ERROR})},
        {"http2/4.3/3",
         {frame(HEADERS, END_STREAM, 1, block(get)) + headers(3)},
         connection_error({PROTOCOL_ERROR})},
        {"http2/5.1/1", {data(1, "test")}, connection_error({PROTOCOL_ERROR})},
        {"http2/5.1/2", {rst(1)}, connection_error({PROTOCOL_ERROR})},
        {"http2/5.1/3", {window_update(1, 100)}, connection_error({PROTOCOL_ERROR})},
        {"http2/5.1/4",
         {frame(CONTINUATION, END_HEADERS, 1, block(get))},
         connection_error({PROTOCOL_ERROR})},
        {"http2/5.1/5", {headers(1) + data(1, "test")}, stream_error({STREAM_CLOSED})},
        {"http2/5.1/6", {headers(1) + headers(1)}, stream_error({STREAM_CLOSED})},
        {"http2/5.1/7",
         {headers(1) + frame(CONTINUATION, END_HEADERS, 1, block(get))},
         connection_error({STREAM_CLOSED, PROTOCOL_ERROR})},
        {"http2/5.1/8",
         {headers(1, post, unfinished) + rst(1) + data(1, "test")},
         stream_error({STREAM_CLOSED})},
        {"http2/5.1/9",
         {headers(1, post, unfinished) + rst(1) + headers(1)},
         stream_error({STREAM_CLOSED})},
        {"http2/5.1/10",
         {headers(1, post, unfinished) + rst(1) + frame(CONTINUATION, END_HEADERS, 1, block(get))},
         connection_error({STREAM_CLOSED, PROTOCOL_ERROR})},
        {"http2/5.1/11", {headers(1), data(1, "test")}, stream_error({STREAM_CLOSED})},
        {"http2/5.1/12",
         {headers(1), headers(1)},
         connection_error({STREAM_CLOSED, PROTOCOL_ERROR})},
        {"http2/5.1/13",
         {headers(1), frame(CONTINUATION, END_HEADERS, 1, block(get))},
         connection_error({STREAM_CLOSED, PROTOCOL_ERROR})},
        {"http2/5.1.1/1", {headers(2)}, connection_error({PROTOCOL_ERROR})},
        {"http2/5.1.1/2", {headers(5) + headers(3)}, connection_error({PROTOCOL_ERROR})},
        {"http2/5.1.2/1",
         {[] {
             std::string all;
             for (std::uint32_t id = 1; id <= 2 * 101; id += 2)
                 all += headers(id, post, unfinished);
             return all;
         }()},
         stream_error({PROTOCOL_ERROR, REFUSED_STREAM}, 201)},
        {"http2/5.3.1/1",
         {frame(HEADERS, END_STREAM | END_HEADERS | PRIO, 1,
                number(1, 4) + number(255, 1) + block(get))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/5.3.1/2", {priority(2, 2, 255)}, stream_error({PROTOCOL_ERROR}, 2)},
        {"http2/5.4.1/1", {frame(PING, NONE, 1, "12345678")}, closed},
        {"http2/5.4.1/2", {frame(PING, NONE, 1, "12345678")}, connection_error({PROTOCOL_ERROR})},
        {"http2/5.5/1", {frame(0xff, NONE, 0, "unknown") + ping()}, pong},
        {"http2/5.5/2",
         {frame(HEADERS, END_STREAM, 1, block(get)) + frame(0xff, NONE, 0, "unknown")},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.1/1", {data(0, "test")}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.1/2", {headers(1), data(1, "test")}, stream_error({STREAM_CLOSED})},
        {"http2/6.1/3",
         {headers(1, post, unfinished) +
          frame(DATA, END_STREAM | PADDED, 1, number(10, 1) + "test")},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.2/1",
         {frame(HEADERS, END_STREAM, 1, block(get)) + priority(1, 0, 255)},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.2/2",
         {frame(HEADERS, END_STREAM, 1, block(get)) + headers(3)},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.2/3", {headers(0)}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.2/4",
         {frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, number(200, 1) + block(get))},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.3/1", {priority(0, 0, 255)}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.3/2",
         {headers(1, post, unfinished) + frame(PRIORITY, NONE, 1, std::string(4, '\0'))},
         stream_error({FRAME_SIZE_ERROR})},
        {"http2/6.4/1", {rst(0)}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.4/2", {rst(1)}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.4/3",
         {headers(1, post, unfinished) + frame(RST_STREAM, NONE, 1, std::string(3, '\0'))},
         connection_error({FRAME_SIZE_ERROR})},
        {"http2/6.5/1",
         {frame(SETTINGS, ACK, 0, std::string(1, '\0'))},
         connection_error({FRAME_SIZE_ERROR})},
        {"http2/6.5/2",
         {frame(SETTINGS, NONE, 1, number(3, 2) + number(100, 4))},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.5/3",
         {frame(SETTINGS, NONE, 0, std::string(3, '\0'))},
         connection_error({FRAME_SIZE_ERROR})},
        {"http2/6.5.2/1", {settings({{2, 2}})}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.5.2/2", {settings({{4, 0x80000000u}})}, connection_error({FLOW_CONTROL_ERROR})},
        {"http2/6.5.2/3", {settings({{5, 16383}})}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.5.2/4", {settings({{5, 16777216}})}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.5.2/5", {settings({{0xff, 1}}) + ping()}, pong},
        {"http2/6.5.3/1", {settings({{4, 100}, {4, 1}}), headers(1)}, content({1})},
        {"http2/6.5.3/2", {settings()}, settings_acked},
        {"http2/6.7/1", {ping()}, pong},
        {"http2/6.7/2", {ping("notasked", ACK) + ping()}, pong},
        {"http2/6.7/3", {frame(PING, NONE, 1, "12345678")}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.7/4", {frame(PING, NONE, 0, "123456")}, connection_error({FRAME_SIZE_ERROR})},
        {"http2/6.8/1",
         {frame(GOAWAY, NONE, 1, number(0, 4) + number(0, 4))},
         connection_error({PROTOCOL_ERROR})},
    });
}

TEST_CASE("h2spec: http2, flow control, messages") {
    const auto lacking = [](std::string_view name) {
        fields f;
        for (const field& x : get)
            if (x.first != name) f.push_back(x);
        return headers(1, f);
    };
    check({
        {"http2/6.9/1", {window_update(0, 0)}, connection_error({PROTOCOL_ERROR})},
        {"http2/6.9/2",
         {headers(1, post, unfinished) + window_update(1, 0)},
         stream_error({PROTOCOL_ERROR})},
        {"http2/6.9/3",
         {frame(WINDOW_UPDATE, NONE, 0, std::string(3, '\1'))},
         connection_error({FRAME_SIZE_ERROR})},
        {"http2/6.9.1/1", {settings({{4, 1}}), headers(1)}, content({1})},
        {"http2/6.9.1/2",
         {window_update(0, 0x7fffffff) + window_update(0, 0x7fffffff)},
         connection_error({FLOW_CONTROL_ERROR})},
        {"http2/6.9.1/3",
         {headers(1, post, unfinished) + window_update(1, 0x7fffffff) +
          window_update(1, 0x7fffffff)},
         stream_error({FLOW_CONTROL_ERROR})},
        {"http2/6.9.2/1", {settings({{4, 0}}), headers(1), settings({{4, 1}})}, content({1})},
        {"http2/6.9.2/2",
         {settings({{4, 3}}), headers(1), settings({{4, 2}}), window_update(1, 2)},
         content({3, 1})},
        {"http2/6.9.2/3", {settings({{4, 0x80000000u}})}, connection_error({FLOW_CONTROL_ERROR})},
        {"http2/6.10/1", {split(1, 3)}, response()},
        {"http2/6.10/2",
         {frame(HEADERS, END_STREAM, 1, block(get)) + data(1, "test")},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.10/3",
         {frame(HEADERS, END_STREAM, 1, block(get)) + frame(CONTINUATION, END_HEADERS, 0, "")},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.10/4",
         {headers(1, post, unfinished) + frame(CONTINUATION, END_HEADERS, 1, block({{"x", "y"}}))},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.10/5",
         {split(1, 2, NONE) + frame(CONTINUATION, END_HEADERS, 1, block({{"x", "y"}}))},
         connection_error({PROTOCOL_ERROR})},
        {"http2/6.10/6",
         {headers(1, post, unfinished) + data(1, "test", NONE) +
          frame(CONTINUATION, END_HEADERS, 1, block({{"x", "y"}}))},
         connection_error({PROTOCOL_ERROR})},
        {"http2/7/1", {goaway(0, 0xff)}, closed},
        {"http2/7/2", {headers(1, post, unfinished) + rst(1, 0xff) + ping()}, pong},
        {"http2/8.1/1",
         {headers(1, post, unfinished) + data(1, "test", NONE) +
          headers(1, {{"x-trailer", "1"}}, END_HEADERS)},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2/1",
         {headers(1, with(get, {{"X-TEST", "ok"}}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.1/1",
         {headers(1, with(get, {{":test", "ok"}}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.1/2",
         {headers(1, with(get, {{":status", "200"}}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.1/3",
         {headers(1, post, unfinished) + data(1, "test", NONE) + headers(1, {{":method", "200"}})},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.1/4",
         {headers(1, {{":method", "GET"},
                      {":scheme", "http"},
                      {"x-test", "ok"},
                      {":path", "/"},
                      {":authority", "a"}})},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.2/1",
         {headers(1, with(get, {{"connection", "keep-alive"}}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.2/2",
         {headers(1, with(get, {{"te", "trailers, deflate"}}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/1",
         {headers(1,
                  {{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "a"}})},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/2", {lacking(":method")}, stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/3", {lacking(":scheme")}, stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/4", {lacking(":path")}, stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/5",
         {headers(1, with({{":method", "GET"}}, {get[0], get[1], get[2], get[3]}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/6",
         {headers(1, with({{":scheme", "http"}}, {get[0], get[1], get[2], get[3]}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.3/7",
         {headers(1, with({{":path", "/"}}, {get[0], get[1], get[2], get[3]}))},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.6/1",
         {headers(1, with(post, {{"content-length", "1"}}), unfinished) + data(1, "test")},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.1.2.6/2",
         {headers(1, with(post, {{"content-length", "1"}}), unfinished) + data(1, "test", NONE) +
          data(1, "test")},
         stream_error({PROTOCOL_ERROR})},
        {"http2/8.2/1",
         {frame(PUSH_PROMISE, END_HEADERS, 1, number(3, 4) + block(get))},
         connection_error({PROTOCOL_ERROR})},
    });
}

TEST_CASE("h2spec: hpack") {
    const std::string request =
        "\x82\x86\x84\x41\x01"
        "a";
    const auto broken = [&](std::string_view more) {
        return std::vector<std::string>{raw_headers(request + std::string(more))};
    };
    const expected compression = connection_error({COMPRESSION_ERROR});
    check({
        {"hpack/2.3.3/1", broken("\xc6"), compression},
        {"hpack/2.3.3/2", broken("\x7f\x40\x04test"), compression},
        {"hpack/4.2/1", broken("\x20"), compression},
        {"hpack/5.2/1", broken(std::string("\0\x82\xf3\xff\x01x", 6)), compression},
        {"hpack/5.2/2", broken(std::string("\0\x81\xf2\x01x", 5)), compression},
        {"hpack/5.2/3", broken(std::string("\0\x84\xff\xff\xff\xff\x01x", 8)), compression},
        {"hpack/6.1/1", broken(std::string("\x80", 1)), compression},
        {"hpack/6.3/1", {raw_headers("\x3f\xe2\x1f" + request)}, compression},
    });
}
