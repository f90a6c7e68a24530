// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/endpoint.hpp>
#include <weft/net/resolve_request.hpp>
#include <weft/runtime/clock.hpp>

#include <fmt/core.h>

#include <string>
#include <vector>

namespace weft::net {

/// One address that was tried.
struct connect_attempt {
    enum class end : unsigned char {
        connected,
        failed,
        abandoned  ///< another one was first, or nobody waited any more
    };

    endpoint address;
    clock::duration began{};  ///< after the connecting had begun
    clock::duration took{};
    end outcome = end::abandoned;
    std::string why = {};  ///< of one that failed: "Connection refused", "no answer within 10 s"
};

/// Which addresses of a host were tried, in this order, and what became of each: in the extensions
/// of a stream that dns::happy_eyeballs made, and a detail of its failure.
///
///     if (auto* tried = stream.extensions().get<net::connect_attempts>())
///         log(net::to_string(*tried));  // "[2001:db8::1]:80 abandoned after 300 ms; 192.0.2.1:80
///                                       //  connected after 40 ms"
struct connect_attempts {
    std::string host;
    clock::duration resolved_after{};             ///< the first address was there
    answer_source from = answer_source::literal;  ///< of the first address
    std::vector<connect_attempt> tried;
};

/// One attempt after the other: address, outcome, time, separated by "; ".
std::string to_string(const connect_attempts& a);

}  // namespace weft::net

template <>
struct fmt::formatter<weft::net::connect_attempts> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::net::connect_attempts& a,
                                         fmt::format_context& out) const;
};
