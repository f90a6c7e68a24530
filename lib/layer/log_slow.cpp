// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/layer/log_slow.hpp>
#include <weft/layer/phase.hpp>

#include <fmt/format.h>

#include <array>
#include <new>

namespace weft::detail {

namespace {

/// Who is at the other end of a connection. Its type belongs to the transport, in a room further
/// down; it is told by its name, and prints itself.
std::string peer_of(const extensions_link& connection) {
    if (!connection) return {};
    std::string text;
    for (const history_entry& e : connection.history())
        if (e.type().ends_with("peer_endpoint")) text = e.text().value_or(text);
    return text;
}

std::string phases_of(const extensions& ext) {
    std::string text;
    const extension_range<phase> newest_first = ext.all<phase>();
    for (std::size_t i = newest_first.size(); i-- > 0;)
        fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : " ", newest_first[i]);
    return text;
}

}  // namespace

void tell_slow_call(const extensions& request, const extensions* response, const slow_call& call,
                    const observer& fallback, std::source_location where) noexcept {
    try {
        if (!observer_of(request)) request.insert(fallback);
        if (!observed(request, severity::warn)) return;
        std::string from = peer_of(request.ingress());
        std::string to = response ? peer_of(response->egress()) : std::string();
        if (to.empty()) to = peer_of(request.egress());
        std::string phases = phases_of(request);
        if (response)
            if (std::string more = phases_of(*response); more.size() > phases.size())
                phases = std::move(more);
        const std::string failed = call.thrown ? failure::from(call.thrown).what() : "";

        using std::chrono::duration_cast;
        using std::chrono::milliseconds;
        std::array<attribute, 8> list{{
            {"call", call.name},
            {"took_ms", duration_cast<milliseconds>(call.took).count()},
            {"limit_ms", duration_cast<milliseconds>(call.limit).count()},
            {"failed", call.thrown != nullptr},
            {"", false},
            {"", false},
            {"", false},
            {"", false},
        }};
        std::size_t n = 4;
        if (!from.empty()) list[n++] = {"from", from};
        if (!to.empty()) list[n++] = {"to", to};
        if (!phases.empty()) list[n++] = {"phases", phases};
        if (!failed.empty()) list[n++] = {"failure", failed};
        log(request, severity::warn, "slow call", std::span<const attribute>(list.data(), n),
            where);
    } catch (const std::bad_alloc&) {
        return;  // a record is not worth a failed call
    }
}

}  // namespace weft::detail
