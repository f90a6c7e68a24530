// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/net/resolve_request.hpp>

namespace weft::dns {

/// What a resolver answers: addresses, how long they may be kept, where they came from.
using answer = net::resolve_answer;

/// Any resolver: service<net::resolve_request> -> dns::answer. A lambda will do:
///
///     dns::resolver fixed = [](net::resolve_request) -> awaitable<dns::answer> {
///         dns::answer found;
///         found.addresses.push_back(asio::ip::make_address("192.0.2.1"));
///         co_return found;
///     };
///
/// **Failures** of all resolvers here are of domain transport, delivery not_sent, and name the host
/// in their context. Kind and code say what happened:
/// - unavailable, host_not_found: there is no such name
/// - unavailable, no_data: the name has no address of that family
/// - unavailable, host_not_found_try_again: the name server failed, or none could be reached
/// - timeout, timed_out: nobody answered in time
/// - rejected, no_recovery: the name server refused to answer (some c-ares: as if it had failed)
/// - protocol, no_recovery: the answer could not be read
/// - invalid_input, invalid_argument: this cannot be a host's name
/// - exhausted, no_memory: too many look-ups wait already
///
/// docs/dns.md says which of them a cache keeps, and why a missing name is unavailable.
using resolver = net::resolver;

/// Whether the failure says that the name, or an address of that family, does not exist: asking
/// again at once will not help.
[[nodiscard]] bool is_missing(const failure& f) noexcept;

}  // namespace weft::dns
