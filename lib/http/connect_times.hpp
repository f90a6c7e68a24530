// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/runtime/clock.hpp>

#include <atomic>
#include <cstdint>

namespace weft::http::detail {

/// Where the opening of one connection spends its time: an entry of its connect_request's
/// extensions, filled in by the layers of a client's stack. Negative: not known.
struct connect_times {
    mutable std::atomic<std::int64_t> dns{-1};
    mutable std::atomic<std::int64_t> tls{-1};

    static void note(std::atomic<std::int64_t>& to, clock::duration took) noexcept {
        to.store(took.count(), std::memory_order_relaxed);
    }
};

}  // namespace weft::http::detail
