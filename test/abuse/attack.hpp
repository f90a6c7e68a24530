// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "server_process.hpp"
#include "swarm.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace abuse {

/// What the command line asks for.
struct size_of_attack {
    std::size_t attackers = 0;  ///< 0: the attack's own small number
    bool full = false;          ///< 10,000 attackers, and the server's default limits
    bool watchdog = false;      ///< watch the server's loop
    /// Within what time they come; nothing: 5 s at full size, else as fast as it goes.
    std::optional<std::chrono::milliseconds> arrival{};
};

/// One attack: who comes, what the server is given, what must have become of them.
struct attack {
    std::string title;
    std::vector<manner> manners;  ///< attackers take them in turn
    std::size_t attackers = 0;
    std::chrono::milliseconds arrival{0};
    /// For so long the bystander is measured before: what he is compared with.
    std::chrono::milliseconds quiet{1500};
    server_process::options server{};
    /// By when they must all be gone: the server's limits for them, one after the other.
    std::chrono::milliseconds gone_after{};
    /// How many of every hundred get which status ("none": the connection ends without a word).
    /// Empty: not looked at.
    std::map<std::string, std::size_t> answers{};
    /// Bytes that an attacker may cost the server's process; 0: not looked at.
    std::size_t memory_each = 0;
    /// They stay for ever, and are dismissed after this time.
    std::chrono::milliseconds dismissed_after{0};
};

/// Carries it out, prints what happened, and says what did not hold (one line each on stdout).
/// Only facts are judged: who is gone and with what answer, what the bystander got, memory,
/// descriptors; times are printed. 0 when all held.
int carry_out(const attack& a);

/// True under a sanitizer, whose memory says nothing.
bool sanitized() noexcept;

}  // namespace abuse
