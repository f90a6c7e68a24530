// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a server on the open internet meets, against a real one over the loopback.
//
//     abuse ATTACK [--attackers N] [--over MS] [--full] [--watchdog]
//
// --full: 10,000 attackers and the server's default limits; without it few, and short limits.
// --over MS: the attackers come within that time (full: 5000); 0: as fast as it goes.
// --watchdog: says on stderr when the server's loop stands still.
// docs/abuse.md says what each attack is and what was measured.

#include "attack.hpp"
#include <weft/http/server.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <span>
#include <string_view>

namespace {

using namespace abuse;
using namespace std::chrono_literals;

/// The limits of the small size. The attacks are the same, only shorter.
weft::http::server_options limits(bool full) {
    weft::http::server_options o;
    if (full) return o;
    o.header_timeout = 1000ms;
    o.idle_timeout = 1000ms;
    o.body_timeout = 1000ms;
    o.write_timeout = 1000ms;
    o.linger_timeout = 500ms;
    return o;
}

attack common(const size_of_attack& size, std::size_t few, std::size_t many = 10'000) {
    attack a;
    a.attackers = size.attackers != 0 ? size.attackers : size.full ? many : few;
    a.server.http = limits(size.full);
    a.arrival = size.arrival.value_or(size.full ? 5000ms : 0ms);
    a.server.watchdog = size.watchdog;
    a.server.apart = size.full;
    if (size.full) a.quiet = 10s;
    return a;
}

/// A head that never comes to its end, letter by letter.
attack slow_heads(const size_of_attack& size) {
    attack a = common(size, 1000);
    a.title = "slow heads (slowloris)";
    a.manners = {{.opening = "GET / HTTP/1.1\r\nHost: a\r\nX: ",
                  .refrain = "x",
                  .every = size.full ? 1000ms : 100ms}};
    a.gone_after = a.server.http.header_timeout;
    a.answers = {{"408", 100}};
    a.memory_each = 16 * 1024;
    return a;
}

/// A body that never comes to its end: slower than the least rate, but never still.
attack slow_bodies(const size_of_attack& size) {
    attack a = common(size, 1000);
    a.title = "slow bodies";
    a.manners = {{.opening = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
                  .refrain = "x",
                  .every = size.full ? 1000ms : 100ms},
                 {.opening = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                             "chunked\r\n\r\n",
                  .refrain = "1\r\nx\r\n",
                  .every = size.full ? 1000ms : 100ms}};
    a.gone_after = a.server.http.body_timeout * 2;
    a.answers = {{"408", 100}};
    a.memory_each = 40 * 1024;
    return a;
}

/// Asks for much and takes nothing of it, or a byte now and then.
attack slow_readers(const size_of_attack& size) {
    // The kernel's buffers are what it costs: 10,000 of them would be the machine's memory.
    attack a = common(size, 200, 1000);
    a.title = "slow readers";
    const std::string ask = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    a.manners = {{.opening = ask, .reads = manner::reading::nothing, .receive_buffer = 4096},
                 {.opening = ask,
                  .every = size.full ? 1000ms : 100ms,
                  .reads = manner::reading::trickle,
                  .receive_buffer = 4096}};
    a.gone_after = a.server.http.write_timeout;
    a.memory_each = 128 * 1024;
    return a;
}

/// Stops in the middle of whatever it is at, and is never heard of again: no FIN, no reset.
attack half_open(const size_of_attack& size) {
    attack a = common(size, 1000);
    a.title = "half-open peers";
    a.manners = {
        {.reads = manner::reading::nothing},
        {.opening = "GET / HT", .reads = manner::reading::nothing},
        {.opening = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .reads = manner::reading::nothing},
        {.opening = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
         .reads = manner::reading::nothing},
        {.opening = "nonsense\r\n\r\n", .reads = manner::reading::nothing},
    };
    a.gone_after = std::max(a.server.http.idle_timeout, a.server.http.body_timeout) +
                   a.server.http.linger_timeout;
    a.memory_each = 24 * 1024;
    return a;
}

/// Connections as fast as they can be made, that say nothing.
attack connection_flood(const size_of_attack& size) {
    attack a = common(size, 2000);
    a.title = "connection flood";
    a.manners = {{}};
    a.gone_after = a.server.http.idle_timeout;
    a.answers = {{"none", 100}};
    a.memory_each = 16 * 1024;
    return a;
}

/// More connections than the server has descriptors for. Who is connected already is still served.
attack descriptor_flood(const size_of_attack& size) {
    attack a = common(size, 600, 5000);
    a.title = "more connections than descriptors";
    a.server.descriptors = a.attackers / 2;
    a.manners = {{}};
    a.gone_after = a.server.http.idle_timeout * 3;
    a.answers = {{"none", 100}};
    return a;
}

/// Too many fields, fields that are too large, and no end of them.
attack header_flood(const size_of_attack& size) {
    attack a = common(size, 200, 1000);
    a.title = "header flood";
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 2000; ++i) many += fmt::format("X-{}: y\r\n", i);
    a.manners = {
        {.opening = many, .every = 20ms},
        {.opening = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(200'000, 'x'), .every = 20ms},
        {.opening = "GET /" + std::string(200'000, 'x'), .every = 20ms},
        {.opening = many, .refrain = "Y: " + std::string(8'000, 'y') + "\r\n", .every = 20ms}};
    a.gone_after = a.server.http.linger_timeout;
    a.memory_each = 64 * 1024;
    return a;
}

/// Refused, and goes on sending as fast as the network takes it.
attack deaf_flood(const size_of_attack& size) {
    attack a = common(size, 4, 16);
    a.title = "refused, and goes on sending";
    a.manners = {{.opening = "nonsense\r\n\r\n", .refrain = std::string(256 * 1024, 'x')}};
    a.gone_after = a.server.http.linger_timeout;
    a.memory_each = 256 * 1024;
    return a;
}

/// Requests without end, and no response is read.
attack pipeline_flood(const size_of_attack& size) {
    attack a = common(size, 100, 1000);
    a.title = "pipelining flood that never reads";
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    a.manners = {{.opening = many,
                  .refrain = many,
                  .reads = manner::reading::nothing,
                  .receive_buffer = 4096}};
    a.gone_after = a.server.http.write_timeout;
    a.memory_each = 160 * 1024;
    return a;
}

/// Bodies as fast as the server reads them.
attack body_flood(const size_of_attack& size) {
    attack a = common(size, 2, 8);
    a.title = "body flood";
    std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    a.manners = {{.opening = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                             "chunked\r\n\r\n",
                  .refrain = chunk}};
    a.gone_after = a.server.http.linger_timeout + 5s;
    a.memory_each = 1024 * 1024;  // of two attackers: the allocator's grain counts
    return a;
}

struct named {
    std::string_view name;
    attack (*make)(const size_of_attack&);
};
constexpr named attacks[] = {
    {"slow-heads", slow_heads},
    {"slow-bodies", slow_bodies},
    {"slow-readers", slow_readers},
    {"half-open", half_open},
    {"connection-flood", connection_flood},
    {"descriptor-flood", descriptor_flood},
    {"header-flood", header_flood},
    {"deaf-flood", deaf_flood},
    {"pipeline-flood", pipeline_flood},
    {"body-flood", body_flood},
};

int usage() {
    fmt::print(stderr,
               "usage: abuse ATTACK [--attackers N] [--over MS] [--full] "
               "[--watchdog]\nattacks:");
    for (const auto& a : attacks) fmt::print(stderr, " {}", a.name);
    fmt::print(stderr, "\n");
    return 2;
}

template <class Number>
bool read_number(std::string_view text, Number& n) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    return ec == std::errc() && end == text.data() + text.size();
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> arguments(argv + 1, argc > 0 ? static_cast<std::size_t>(argc - 1) : 0);
    size_of_attack size;
    const named* chosen = nullptr;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view word = arguments[i];
        if (word == "--full") {
            size.full = true;
        } else if (word == "--watchdog") {
            size.watchdog = true;
        } else if (word == "--attackers" && i + 1 < arguments.size()) {
            if (!read_number(arguments[++i], size.attackers) || size.attackers == 0) return usage();
        } else if (word == "--over" && i + 1 < arguments.size()) {
            std::chrono::milliseconds::rep ms = 0;
            if (!read_number(arguments[++i], ms) || ms < 0) return usage();
            size.arrival = std::chrono::milliseconds(ms);
        } else {
            for (const auto& a : attacks)
                if (a.name == word) chosen = &a;
            if (!chosen || chosen->name != word) return usage();
        }
    }
    if (!chosen) return usage();
    try {
        return carry_out(chosen->make(size));
    } catch (const std::exception& e) {
        fmt::print(stderr, "abuse: {}\n", e.what());
        return 1;
    }
}
