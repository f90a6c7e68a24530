// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/dns/answer.hpp>

#include <optional>
#include <utility>

namespace weft::dns {

namespace detail {
/// Answers, throws, or leaves it to who is asked next.
std::optional<answer> answer_special(const net::resolve_request& what);
}  // namespace detail

/// A layer for names that no name server is to be asked for:
///
///     dns::resolver names = dns::special_names() >> dns::system_resolver();
///
/// - An IP address is its own answer (IPv6 without brackets, with or without a zone).
/// - `localhost` and all below it are ::1 and 127.0.0.1 (RFC 6761 6.3), whatever a file says.
/// - `invalid` and `onion`, and all below them, do not exist (RFC 6761 6.4, RFC 7686).
/// - What cannot be a host's name is refused with invalid_input: empty, longer than 253 bytes, an
///   empty label or one longer than 63 bytes, white space and control characters, and a last label
///   that is a number (`127.1`, `0x7f000001`, which a C library would take for an address).
class special_names : public pipeable {
  public:
    template <class Next>
    awaitable<answer> serve(net::resolve_request what, const Next& next) const {
        if (auto known = detail::answer_special(what)) co_return std::move(*known);
        co_return co_await next(std::move(what));
    }
};

}  // namespace weft::dns
