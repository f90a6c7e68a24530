// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>

#include <csignal>
#include <source_location>
#include <vector>

namespace weft {

/// Waits for one of `signals` and gives its number: for programs that own their io_context.
/// weft::run and weft::runtime do this themselves.
///
///     auto ended = co_await when_any(http::serve(addr, app), shutdown_signal());
///
/// While it waits the signals do not end the process; when it is over, the way it was is restored.
/// Several may wait at once, each hears every signal. Cancelled (any type) it throws system_error
/// operation_aborted. A signal that cannot be caught gives a system_error.
awaitable<int> shutdown_signal(std::vector<int> signals = {SIGINT, SIGTERM},
                               std::source_location where = std::source_location::current());

}  // namespace weft
