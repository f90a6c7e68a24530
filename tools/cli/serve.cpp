// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include "http_test.hpp"
#include <weft/core/failure.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/http/serve.hpp>
#include <weft/net/serve.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/runtime/watchdog.hpp>

#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace weft::cli {

namespace {

constexpr std::string_view usage =
    "usage: weft serve http-test|echo|discard --bind HOST:PORT [OPTIONS]\n"
    "  http-test   HTTP: GET /, ANY /method, POST /echo, POST /discard, GET /headers,\n"
    "              GET /bytes/{n}, GET /stream/{n}, GET /status/{code}, GET /delay/{ms}\n"
    "  echo        sends back what comes in, until the peer ends its side\n"
    "  discard     reads everything and says nothing\n"
    "  --bind HOST:PORT   an IP address, * or localhost; port 0: the system chooses one\n"
    "  --threads N        one event loop and one listener each; 1 by default\n"
    "  --max-body BYTES   http-test answers 413 to a larger body; 16 GiB by default\n"
    "  --watchdog         says on stderr who holds an event loop up, and at the end how late they "
    "were\n"
    "Serves until SIGINT or SIGTERM, then lets requests be finished for at most 10 s (echo and\n"
    "discard: 1 s); a second signal stops at once.\n";

struct serve_arguments {
    std::string what;
    std::string bind;
    unsigned threads = 1;
    /// More than a server's default, because no route ever holds a body.
    std::uint64_t max_body = std::uint64_t{16} * 1024 * 1024 * 1024;
    bool watchdog = false;
};

int wrong(std::string_view why) {
    fmt::print(stderr, "weft serve: {}\n", why);
    return 2;
}

void print_address(const net::endpoint& at) {
    fmt::print("listening on {}\n", net::to_string(at));
    std::fflush(stdout);
}

awaitable<void> server(const serve_arguments& arguments) {
    if (arguments.what == "http-test") {
        http::serve_options options;
        options.on_listening = print_address;
        options.http.max_body = arguments.max_body;
        return http::serve(arguments.bind, http_test, std::move(options));
    }
    net::serve_options options;
    options.on_listening = print_address;
    options.drain = std::chrono::seconds(1);  // they have no response to finish
    // A peer that resets its connection is no news for an echo.
    options.on_failure = [](const failure& f) {
        if (f.kind() != failure_kind::unavailable && f.kind() != failure_kind::cancelled)
            fmt::print(stderr, "weft: a connection failed: {}\n", f.what());
    };
    if (arguments.what == "echo") return net::serve(arguments.bind, echo, std::move(options));
    return net::serve(arguments.bind, discard, std::move(options));
}

template <class Number>
bool all_of(std::string_view text, Number& n) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    return ec == std::errc() && end == text.data() + text.size();
}

watchdog_options watching() {
    watchdog_options o;
    o.observer = logfmt_observer();
    o.stack_signal = SIGRTMIN + 1;
    return o;
}

void print_lateness(const watchdog& dog) {
    const auto ms = [](std::chrono::nanoseconds d) { return static_cast<double>(d.count()) / 1e6; };
    for (const auto& loop : dog.loops())
        fmt::print(stderr,
                   "{}: late by {:.2f} ms (p50), {:.2f} ms (p99), {:.2f} ms at most; stalled {} "
                   "times, {:.0f} ms in all\n",
                   loop.name, ms(loop.lateness.percentile(0.5)), ms(loop.lateness.percentile(0.99)),
                   ms(loop.lateness.max()), loop.stalls, ms(loop.stalled));
}

}  // namespace

int serve(std::span<char*> arguments) {
    serve_arguments wanted;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view a = arguments[i];
        const auto value = [&]() -> std::string_view {
            return i + 1 < arguments.size() ? std::string_view(arguments[++i]) : std::string_view();
        };
        if (a == "--bind") {
            wanted.bind = value();
        } else if (a == "--threads") {
            const std::string_view text = value();
            if (!all_of(text, wanted.threads) || wanted.threads == 0 || wanted.threads > 1024)
                return wrong(
                    fmt::format("--threads takes a number from 1 to 1024, not '{}'", text));
        } else if (a == "--max-body") {
            const std::string_view text = value();
            if (!all_of(text, wanted.max_body))
                return wrong(fmt::format("--max-body takes a number of bytes, not '{}'", text));
        } else if (a == "--help" || a == "-h") {
            std::fwrite(usage.data(), 1, usage.size(), stdout);
            return 0;
        } else if (a == "--watchdog") {
            wanted.watchdog = true;
        } else if (a.starts_with("-") || !wanted.what.empty()) {
            return wrong(fmt::format("unexpected argument '{}'", a));
        } else {
            wanted.what = a;
        }
    }
    if (wanted.what != "http-test" && wanted.what != "echo" && wanted.what != "discard")
        return wrong("say what to serve: http-test, echo or discard");
    if (wanted.bind.empty()) return wrong("say where: --bind HOST:PORT");
    runtime::options options;
    options.threads = wanted.threads;
    runtime cores(options);
    std::optional<watchdog> dog;
    if (wanted.watchdog) {
        dog.emplace(watching());
        dog->watch(cores);
    }
    const int status = cores.run(server(wanted));
    if (dog) print_lateness(*dog);
    return status;
}

}  // namespace weft::cli
