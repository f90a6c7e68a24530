// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include "http_test.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/serve.hpp>
#include <weft/net/serve.hpp>
#include <weft/runtime/runtime.hpp>

#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

namespace weft::cli {

namespace {

struct serve_arguments {
    std::string what;
    std::string bind;
    unsigned threads = 1;
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
        return http::serve(arguments.bind, http_test, std::move(options));
    }
    net::serve_options options;
    options.on_listening = print_address;
    // A peer that resets its connection is no news for an echo.
    options.on_failure = [](const failure& f) {
        if (f.kind() != failure_kind::unavailable && f.kind() != failure_kind::cancelled)
            fmt::print(stderr, "weft: a connection failed: {}\n", f.what());
    };
    if (arguments.what == "echo") return net::serve(arguments.bind, echo, std::move(options));
    return net::serve(arguments.bind, discard, std::move(options));
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
            const auto [end, ec] =
                std::from_chars(text.data(), text.data() + text.size(), wanted.threads);
            if (ec != std::errc() || end != text.data() + text.size() || wanted.threads == 0 ||
                wanted.threads > 1024)
                return wrong(
                    fmt::format("--threads takes a number from 1 to 1024, not '{}'", text));
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
    return cores.run(server(wanted));
}

}  // namespace weft::cli
