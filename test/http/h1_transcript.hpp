// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>

#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http::h1::test {

/// What is left to decode, always in memory of exactly its size that moves with each piece.
class pending_input {
  public:
    void add(std::string_view piece) { replace(0, piece); }
    void consume(std::size_t n) { replace(n, {}); }
    [[nodiscard]] std::string_view view() const noexcept { return {memory_.get(), size_}; }

  private:
    void replace(std::size_t drop, std::string_view more) {
        const std::size_t kept = size_ - drop;
        std::unique_ptr<char[]> next(new char[kept + more.size()]);
        if (kept != 0) std::memcpy(next.get(), memory_.get() + drop, kept);
        if (!more.empty()) std::memcpy(next.get() + kept, more.data(), more.size());
        memory_ = std::move(next);
        size_ = kept + more.size();
    }
    std::unique_ptr<char[]> memory_;
    std::size_t size_ = 0;
};

inline std::string describe(const traits& t) {
    std::string out(to_string(t.body.how));
    if (t.body.how == framing::kind::length) out += fmt::format(":{}", t.body.length);
    out += t.keep_alive ? " keep" : " close";
    if (t.upgrade) out += " upgrade";
    if (t.expect == expectation::continue_) out += " expect";
    if (t.expect == expectation::unknown) out += " expect?";
    return out;
}

inline std::string describe(const request_head& h) {
    return fmt::format("{} {} {}", h.method().text(), h.target(), to_string(h.version()).substr(5));
}
inline std::string describe(const response_head& h) {
    return fmt::format("{} {} {}", h.status().code(),
                       h.version() == version::http_1_0 ? "1.0" : "1.1",
                       h.reason().empty() ? "-" : h.reason());
}

inline std::string describe(const headers& fields) {
    std::string out;
    for (const auto [name, value, id] : fields) out += fmt::format("{{{}={}}}", name, value);
    return out;
}

/// Decodes a connection as a driver does and writes down what it saw, one message after the other:
///
///     POST /a 1.1 length:3 keep "abc" | GET /b 1.1 none keep | !bad_method 400
///
/// Trailers follow as {name=value}. "..." is a head that is not whole, "rest:n" is what follows an
/// upgrade. The end of the pieces is the end of the connection. With `show_fields` also the fields
/// of the heads.
template <class Decoder, class... Context>
std::string transcript(std::span<const std::string_view> pieces, const limits& l, bool show_fields,
                       const Context&... context) {
    std::vector<std::string> messages;
    std::string content;
    pending_input in;
    Decoder decoder(l);
    body_decoder body;
    enum class place { in_head, in_content, upgraded, refused } at = place::in_head;

    const auto refuse = [&](const error& e) {
        messages.push_back(fmt::format("!{} {}", to_string(e.why()), e.status().code()));
        at = place::refused;
    };
    const auto head = [&] {
        const traits t = decoder.traits();
        in.consume(decoder.consumed());
        const auto h = decoder.take_head();
        messages.push_back(describe(h) + " " + describe(t));
        if (show_fields) messages.back() += " " + describe(h.headers());
        body = body_decoder(t.body, l);
        content.clear();
        at = t.body.how == framing::kind::upgrade ? place::upgraded : place::in_content;
    };
    const auto end_of_content = [&] {
        if (!content.empty()) messages.back() += fmt::format(" \"{}\"", content);
        if (!body.trailers().empty()) messages.back() += " " + describe(body.trailers());
        at = place::in_head;
    };
    const auto decode_head = [&] {
        const progress p = decoder.decode(in.view(), context...);
        if (p == progress::failed) refuse(decoder.error());
        if (p == progress::complete) head();
        return p != progress::need_more;
    };
    const auto decode_content = [&] {
        const body_step step = body.decode(in.view());
        content += step.data;
        in.consume(step.consumed);
        if (step.what == body_step::event::failed) refuse(body.error());
        if (step.what == body_step::event::end) end_of_content();
        return step.what != body_step::event::need_more;
    };
    for (const std::string_view piece : pieces) {
        in.add(piece);
        bool again = true;
        while (again && (at == place::in_head || at == place::in_content))
            again = at == place::in_head ? decode_head() : decode_content();
    }
    if (at == place::in_content) {
        if (body.end_of_input().what == body_step::event::end) {
            end_of_content();
        } else {
            refuse(body.error());
        }
    } else if (at == place::in_head && !in.view().empty()) {
        messages.emplace_back("...");
    } else if (at == place::upgraded) {
        messages.push_back(fmt::format("rest:{}", in.view().size()));
    }
    return fmt::format("{}", fmt::join(messages, " | "));
}

}  // namespace weft::http::h1::test
