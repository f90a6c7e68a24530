// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "http_test.hpp"

#include <weft/http/interim.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft::cli {

namespace {

constexpr std::size_t chunk_size = 64 * 1024;

/// The number that is all of `text`.
template <class Number>
std::optional<Number> number(std::string_view text) {
    Number n{};
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}

/// `n` letters x, made as they are pulled.
http::body letters(std::uint64_t n, bool announce_size) {
    const bytes block(
        std::string(static_cast<std::size_t>(std::min<std::uint64_t>(n, chunk_size)), 'x'));
    auto make = [left = n, block]() mutable -> awaitable<std::optional<bytes>> {
        if (left == 0) co_return std::nullopt;
        bytes piece =
            block.slice(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_size)));
        left -= piece.size();
        co_return piece;
    };
    return http::body::pull(std::move(make), announce_size ? std::optional(n) : std::nullopt);
}

http::response not_found() { return http::text("not found\n", http::status::not_found); }

http::response only(std::string_view allowed) {
    http::response r = http::text("method not allowed\n", http::status::method_not_allowed);
    r.headers().set("Allow", allowed);
    return r;
}

/// JSON text is UTF-8, a field's value any bytes: what is not ASCII is taken for Latin-1 (RFC 9110
/// 5.5), so that each byte can be told.
std::string json_string(std::string_view text) {
    std::string utf8;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            utf8.push_back(c);
        } else {
            utf8.push_back(static_cast<char>(0xc0 | byte >> 6));
            utf8.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
        }
    }
    return boost::json::serialize(boost::json::string(utf8));
}

http::response headers_as_json(const http::request& r) {
    std::string out = "[";
    for (auto [name, value, id] : r.headers()) {
        if (out.size() > 1) out += ",";
        out += "[" + json_string(name) + "," + json_string(value) + "]";
    }
    out += "]";
    return http::json(std::move(out));
}

http::response echo_of(http::request r) {
    http::response answer;
    if (auto type = r.header("Content-Type")) answer.headers().set("Content-Type", *type);
    answer.set_body(std::move(r.body()));
    return answer;
}

}  // namespace

awaitable<http::response> http_test(http::request r) {
    const bool get = r.method() == http::method::get || r.method() == http::method::head;
    const bool post = r.method() == http::method::post;
    const std::string_view path = r.path();
    if (path == "/") {
        if (!get) co_return only("GET, HEAD");
        co_return http::bytes(bytes::literal("Hello, World!"), "text/plain");
    }
    if (path == "/method") co_return http::text(std::string(r.method().text()));
    if (path == "/echo") {
        if (!post) co_return only("POST");
        co_return echo_of(std::move(r));
    }
    if (path == "/discard") {
        if (!post) co_return only("POST");
        const std::uint64_t n = co_await r.body().discard();
        co_return http::text(std::to_string(n));
    }
    if (path == "/headers") {
        if (!get) co_return only("GET, HEAD");
        co_return headers_as_json(r);
    }
    const std::size_t slash = path.find('/', 1);
    if (slash == path.npos) co_return not_found();
    const std::string_view what = path.substr(1, slash - 1);
    const std::string_view rest = path.substr(slash + 1);
    if (what != "bytes" && what != "stream" && what != "status" && what != "delay" &&
        what != "hints")
        co_return not_found();
    const auto n = number<std::uint64_t>(rest);
    if (!n) co_return not_found();
    if (!get) co_return only("GET, HEAD");
    if (what == "bytes" || what == "stream") {
        http::response answer(http::status::ok, letters(*n, what == "bytes"));
        answer.headers().set("Content-Type", "application/octet-stream");
        co_return answer;
    }
    if (what == "status") {
        if (*n < 200 || *n > 599)
            co_return http::text("a status is 200 to 599\n", http::status::bad_request);
        const http::status code(static_cast<int>(*n));
        // 205 says that there is no content (RFC 9110 15.3.6).
        if (code.forbids_content() || code == http::status::reset_content)
            co_return http::response(code);
        co_return http::text(std::to_string(*n) + "\n", code);
    }
    if (what == "hints") {
        if (*n > 100) co_return http::text("at most 100 hints\n", http::status::bad_request);
        for (std::uint64_t i = 1; i <= *n; ++i) {
            http::response_head hint(http::status::early_hints);
            hint.headers().add("Link", "</" + std::to_string(i) + ".css>; rel=preload; as=style");
            http::send_interim(r, std::move(hint));
        }
        co_return http::text(std::to_string(*n) + " hints\n");
    }
    if (*n > 600'000)
        co_return http::text("a delay is at most 600000 ms\n", http::status::bad_request);
    co_await sleep_for(std::chrono::milliseconds(*n));
    co_return http::text("waited " + std::to_string(*n) + " ms\n");
}

awaitable<void> echo(io::stream s) {
    auto buffer = std::make_unique<std::array<char, chunk_size>>();
    while (std::size_t n = co_await s.read(boost::asio::buffer(*buffer)))
        co_await s.write(boost::asio::const_buffer(buffer->data(), n));
}

awaitable<void> discard(io::stream s) {
    auto buffer = std::make_unique<std::array<char, chunk_size>>();
    while (co_await s.read(boost::asio::buffer(*buffer)) > 0) {
    }
}

}  // namespace weft::cli
