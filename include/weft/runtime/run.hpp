// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/runtime/runtime.hpp>

#include <type_traits>

namespace weft {

/// Runs a coroutine as a whole program, on this thread.
///
///     int main() {
///         return weft::run(http::serve("0.0.0.0:8080", hello));
///     }
///
/// The first SIGINT or SIGTERM cancels the coroutine, and a server drains; the second stops at
/// once. Returns the exit status: the coroutine's own value, 0 for void and for one that was
/// cancelled by a signal, 1 after a failure, which is printed on stderr as one line. It is a
/// weft::runtime with one core: see there for the details.
int run(awaitable<void> main);
int run(awaitable<int> main);

/// Calls `main` and keeps it until its coroutine is gone: a lambda may capture.
template <class F>
    requires is_awaitable<std::invoke_result_t<F&>>
int run(F main) {
    runtime one{{.threads = 1}};
    return one.run([&main] { return main(); });
}

}  // namespace weft
