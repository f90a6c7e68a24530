// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/runtime/clock.hpp>

#include <source_location>

namespace weft {

/// Sleeps for `d` of the context's time: exactly, in a test's virtual time too.
///
///     co_await weft::sleep_for(200ms);
///
/// Completes on the coroutine's executor, never before its time. Zero or less lets other ready work
/// go first and comes back. Cancelled (any type), it throws system_error operation_aborted and
/// leaves nothing behind. Costs no descriptor and no timer of its own; for a limit on something
/// else use with_deadline.
awaitable<void> sleep_for(clock::duration d,
                          std::source_location where = std::source_location::current());

/// Sleeps until `t` of the context's clock.
awaitable<void> sleep_until(clock::time_point t,
                            std::source_location where = std::source_location::current());

}  // namespace weft
