// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>

#include <chrono>
#include <optional>

namespace weft {

/// The point in time after which nobody wants the answer any more. It travels in a request's
/// extensions, so that every layer and the transport can honour it; the newest wins, and nothing
/// may move it later.
///
///     if (auto d = deadline_of(request); d && d->left(clock.now()) < 5ms) co_return too_late();
struct deadline {
    std::chrono::steady_clock::time_point at;

    /// What is left of it; zero or less when it has passed.
    [[nodiscard]] std::chrono::steady_clock::duration left(
        std::chrono::steady_clock::time_point now) const {
        return at - now;
    }
};

/// The request's deadline, if it has one.
template <class Req>
std::optional<deadline> deadline_of(const Req& request) {
    if (const extensions* ext = extensions_of(request))
        if (const deadline* d = ext->get<deadline>()) return *d;
    return std::nullopt;
}

}  // namespace weft
