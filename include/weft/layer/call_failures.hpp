// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>

#include <concepts>

namespace weft {

/// What counts as failed, for `circuit_breaker`, `load_shed` and `count`: a callable
/// `bool(const failure&)`, which may also judge responses, as `bool(const Res&)`. Without the
/// second every response is well.
///
///     struct no_stock {
///         bool operator()(const failure&) const { return true; }
///         bool operator()(const inventory& i) const { return i.empty(); }
///     };

/// Every failure.
struct any_failure {
    bool operator()(const failure&) const noexcept { return true; }
};

/// Failures that say that the peer is in trouble: unavailable, timeout, exhausted, protocol,
/// internal. Not those that are about one request or its caller: rejected, invalid_input,
/// authentication.
struct peer_failures {
    bool operator()(const failure& f) const noexcept {
        switch (f.kind()) {
            case failure_kind::unavailable:
            case failure_kind::timeout:
            case failure_kind::exhausted:
            case failure_kind::protocol:
            case failure_kind::internal:
                return true;
            default:
                return false;
        }
    }
};

namespace detail {

template <class Failed, class Res>
bool response_failed(const Failed& failed, const Res& response) {
    // A response that converts to a failure is none.
    if constexpr (std::predicate<const Failed&, const Res&>)
        return failed(response);
    else
        return false;
}

}  // namespace detail

}  // namespace weft
