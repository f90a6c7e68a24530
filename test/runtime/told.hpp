// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/watchdog.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// What a watchdog told, with its text, beyond the call.
struct told {
    explicit told(const weft::stall& s)
        : loop(s.loop),
          over(s.over),
          lasted(s.lasted),
          resumed(s.resumed),
          line(s.where.line()),
          call(s.call),
          resumed_ago(s.resumed_ago),
          thread(s.thread),
          activity(s.activity),
          system_call(s.system_call),
          stack(s.stack.begin(), s.stack.end()),
          text(to_string(s)) {}
    std::string loop;
    bool over;
    weft::clock::duration lasted;
    std::string resumed;
    unsigned line;
    std::string call;
    weft::clock::duration resumed_ago;
    std::int64_t thread;
    weft::thread_activity activity;
    std::string system_call;
    std::vector<std::string> stack;
    std::string text;
};
