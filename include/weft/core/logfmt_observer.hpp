// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/observe.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

namespace weft {

struct logfmt_options {
    /// Records below are dropped. Spans are written as they end, at info, or at error when they
    /// failed; counters at trace.
    severity minimum = severity::info;
    /// Takes one whole line, newline included; from several
    /// threads at once. Null: stderr, one write a line.
    std::function<void(std::string_view line)> write = nullptr;
    /// Since 1970-01-01T00:00:00Z. Null: lines carry no wall
    /// time (journald and container runtimes add their own).
    std::function<std::chrono::milliseconds()> unix_time = nullptr;
    /// 64 random bits for the ids of spans; from several threads at once. Null: ids count from one,
    /// good for one program.
    std::function<std::uint64_t()> random = nullptr;
    /// `at=file:line`.
    bool locations = true;
};

/// An observer that writes logfmt: one line of key=value pairs an event, easy to read and to grep.
///
///     req.extensions().insert(weft::logfmt_observer({.minimum = severity::debug}));
///     // level=warn msg="slow upstream" peer=192.0.2.7:443 ms=812 at=app.cpp:31
///     // level=info span="GET /" kind=server status=ok duration=12ms trace=4b... span_id=00...
///
/// A value is quoted when it is empty or has a space, `=`, `"`, `\` or control characters. Inside
/// quotes the last three are escaped (\" \\ \n \r \t \u001b), as are characters that turn the
/// direction of text and bytes that are not UTF-8 (\ufffd): what a peer sent cannot end the line,
/// forge a field or move the cursor. Writing to stderr may block when nobody reads it.
observer logfmt_observer(logfmt_options options = {});

}  // namespace weft
