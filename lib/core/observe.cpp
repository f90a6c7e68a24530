// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/core/observe.hpp>

#include <algorithm>
#include <span>

namespace weft {

std::string_view to_string(severity s) noexcept {
    // The names of the six ranges; a number between two belongs to the lower.
    const auto n = static_cast<unsigned char>(s);
    if (s == severity::off) return "off";
    if (n >= 21) return "fatal";
    if (n >= 17) return "error";
    if (n >= 13) return "warn";
    if (n >= 9) return "info";
    return n >= 5 ? "debug" : "trace";
}

std::string_view to_string(span_kind k) noexcept {
    switch (k) {
        case span_kind::internal:
            return "internal";
        case span_kind::server:
            return "server";
        case span_kind::client:
            return "client";
        case span_kind::producer:
            return "producer";
        case span_kind::consumer:
            return "consumer";
    }
    return "?";
}

std::string_view to_string(span_status s) noexcept {
    switch (s) {
        case span_status::unset:
            return "unset";
        case span_status::ok:
            return "ok";
        case span_status::error:
            return "error";
    }
    return "?";
}

namespace {

bool any_set(std::span<const std::uint8_t> id) noexcept {
    return std::any_of(id.begin(), id.end(), [](std::uint8_t b) { return b != 0; });
}

std::string hex(std::span<const std::uint8_t> id) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(id.size() * 2);
    for (std::uint8_t b : id) {
        out += digits[b >> 4];
        out += digits[b & 15];
    }
    return out;
}

span_context context_of(const extensions& ext) noexcept {
    const auto* c = ext.get<span_context>();
    return c ? *c : span_context{};
}

}  // namespace

bool span_context::valid() const noexcept { return any_set(trace_id) && any_set(span_id); }
std::string span_context::trace_id_hex() const { return hex(trace_id); }
std::string span_context::span_id_hex() const { return hex(span_id); }

void detail::emit(const observer& o, const extensions& ext, severity s, std::string_view body,
                  attribute_list attributes, std::source_location where) noexcept {
    o.sink()->emit({s, body, attributes, context_of(ext), ext.ticks().now(), where});
}

void detail::add(const observer& o, const extensions& ext, measurement& m) noexcept {
    m.context = context_of(ext);
    o.sink()->add(m);
}

void span::start(const observer& o, const extensions& ext, std::string_view name,
                 const span_options& options, std::source_location where) noexcept {
    ticks_ = ext.ticks();
    sink_ = o.sink()->start_span({name, options.kind,
                                  options.parent ? *options.parent : context_of(ext),
                                  options.attributes, ticks_.now(), where});
    if (sink_) keep_ = o.sink();
}

void span::record(const failure& f) noexcept {
    add_event("exception", {{"exception.type", "weft::failure"},
                            {"exception.message", std::string_view(f.what())},
                            {"error.type", to_string(f.kind())}});
    set_status(span_status::error, f.message());
}

}  // namespace weft
