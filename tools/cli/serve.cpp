// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include "exit_status.hpp"
#include "http_test.hpp"
#include <weft/core/failure.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/http/serve.hpp>
#include <weft/net/serve.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/runtime/watchdog.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/alpn.hpp>
#include <weft/tls/development_ca.hpp>

#include <boost/asio/ip/address.hpp>
#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::cli {

namespace {

constexpr std::string_view usage =
    "usage: weft serve http-test|echo|discard --bind HOST:PORT [OPTIONS]\n"
    "  http-test   HTTP: GET /, ANY /method, POST /echo, POST /discard, GET /headers,\n"
    "              GET /bytes/{n}, GET /stream/{n}, GET /status/{code}, GET /delay/{ms},\n"
    "              GET /hints/{n}\n"
    "  echo        sends back what comes in, until the peer ends its side\n"
    "  discard     reads everything and says nothing\n"
    "  --bind HOST:PORT   an IP address, * or localhost; port 0: the system chooses one\n"
    "  --threads N        one event loop and one listener each; 1 by default\n"
    "  --max-body BYTES   http-test answers 413 to a larger body; 16 GiB by default\n"
    "  --tls-cert FILE    TLS with this chain of certificates (PEM) ...\n"
    "  --tls-key FILE     ... and its key\n"
    "  --tls-self-signed  TLS with a certificate made for this run: localhost, 127.0.0.1, ::1 and "
    "the\n"
    "                     address of --bind; its fingerprint is printed on stderr\n"
    "  --ktls             the system encrypts what is sent, where it can (Linux with module tls)\n"
    "  --http1, --http2   http-test speaks only this one; both by default\n"
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
    std::string certificate;
    std::string key;
    bool self_signed = false;
    bool kernel_tls = false;
    bool http_1 = false;
    bool http_2 = false;
    bool help = false;
};

int wrong(std::string_view why) {
    fmt::print(stderr, "weft serve: {}\n", why);
    return 2;
}

void print_address(const net::endpoint& at) {
    fmt::print("listening on {}\n", net::to_string(at));
    std::fflush(stdout);
}

/// Who the server is; nothing for clear text. Throws failure for files that cannot be used.
std::optional<tls::server_config> tls_of(const serve_arguments& a) {
    tls::server_options options;
    if (!a.certificate.empty()) {
        options.identities = {tls::identity::from_files(a.certificate, a.key)};
    } else if (a.self_signed) {
        std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
        std::string host(a.bind.substr(0, a.bind.rfind(':')));
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        boost::system::error_code ec;
        const auto address = boost::asio::ip::make_address(host, ec);
        if (!ec && !address.is_unspecified() && !address.is_loopback())
            names.push_back(address.to_string());
        options.identities = {tls::development_ca().server(std::move(names))};
        fmt::print(stderr, "a certificate for this run, sha256 {}\n",
                   options.identities.front().certificate().fingerprint());
    } else {
        return std::nullopt;
    }
    options.kernel_tls = a.kernel_tls;
    if (a.what == "http-test") {
        if (!a.http_1) options.alpn.emplace_back(tls::alpn::h2);
        if (!a.http_2) options.alpn.emplace_back(tls::alpn::http_1_1);
    }
    return tls::server_config(std::move(options));
}

awaitable<void> serve_streams(const serve_arguments& arguments, net::serve_options options,
                              std::optional<tls::server_config> tls,
                              awaitable<void> (*what)(io::stream)) {
    if (tls) return net::serve(arguments.bind, tls::acceptor(*tls) >> what, std::move(options));
    return net::serve(arguments.bind, what, std::move(options));
}

awaitable<void> server(const serve_arguments& arguments) {
    std::optional<tls::server_config> tls = tls_of(arguments);
    if (arguments.what == "http-test") {
        http::serve_options options;
        options.on_listening = print_address;
        options.http.max_body = arguments.max_body;
        options.http.speak_http1 = !arguments.http_2;
        options.http.speak_http2 = !arguments.http_1;
        options.tls = std::move(tls);
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
    return serve_streams(arguments, std::move(options), std::move(tls),
                         arguments.what == "echo" ? echo : discard);
}

template <class Number>
bool all_of(std::string_view text, Number& n) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    return ec == std::errc() && end == text.data() + text.size();
}

/// Throws usage_error.
serve_arguments parse_serve(std::span<char*> arguments) {
    serve_arguments wanted;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view a = arguments[i];
        // An empty one is a variable that was not set, and not the same as none.
        const auto value = [&]() -> std::string_view {
            if (i + 1 >= arguments.size() || *arguments[i + 1] == 0)
                throw usage_error{fmt::format("{} needs a value", a)};
            return arguments[++i];
        };
        if (a == "--bind") {
            wanted.bind = value();
        } else if (a == "--threads") {
            const std::string_view text = value();
            if (!all_of(text, wanted.threads) || wanted.threads == 0 || wanted.threads > 1024)
                throw usage_error{
                    fmt::format("--threads takes a number from 1 to 1024, not '{}'", text)};
        } else if (a == "--max-body") {
            const std::string_view text = value();
            if (!all_of(text, wanted.max_body))
                throw usage_error{
                    fmt::format("--max-body takes a number of bytes, not '{}'", text)};
        } else if (a == "--help" || a == "-h") {
            wanted.help = true;
            return wanted;
        } else if (a == "--watchdog") {
            wanted.watchdog = true;
        } else if (a == "--tls-cert") {
            wanted.certificate = value();
        } else if (a == "--tls-key") {
            wanted.key = value();
        } else if (a == "--tls-self-signed") {
            wanted.self_signed = true;
        } else if (a == "--ktls") {
            wanted.kernel_tls = true;
        } else if (a == "--http1") {
            wanted.http_1 = true;
        } else if (a == "--http2") {
            wanted.http_2 = true;
        } else if (a.starts_with("-") || !wanted.what.empty()) {
            throw usage_error{fmt::format("unexpected argument '{}'", a)};
        } else {
            wanted.what = a;
        }
    }
    if (wanted.what != "http-test" && wanted.what != "echo" && wanted.what != "discard")
        throw usage_error{"say what to serve: http-test, echo or discard"};
    if (wanted.bind.empty()) throw usage_error{"say where: --bind HOST:PORT"};
    if (wanted.certificate.empty() != wanted.key.empty())
        throw usage_error{"--tls-cert and --tls-key go together"};
    if (wanted.self_signed && !wanted.key.empty())
        throw usage_error{"--tls-self-signed makes its own certificate: leave --tls-cert out"};
    if (wanted.kernel_tls && !wanted.self_signed && wanted.key.empty())
        throw usage_error{"--ktls goes with --tls-cert or --tls-self-signed"};
    if (wanted.http_1 && wanted.http_2)
        throw usage_error{"--http1 and --http2: choose one, or none"};
    return wanted;
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
    try {
        wanted = parse_serve(arguments);
    } catch (const usage_error& e) {
        return wrong(e.why);
    }
    if (wanted.help) {
        std::fwrite(usage.data(), 1, usage.size(), stdout);
        return 0;
    }
    runtime::options options;
    options.threads = wanted.threads;
    runtime cores(options);
    std::optional<watchdog> dog;
    if (wanted.watchdog) {
        dog.emplace(watching());
        dog->watch(cores);
    }
    int status = 0;
    try {
        status = cores.run(server(wanted));
    } catch (const failure& f) {  // a certificate that cannot be used
        return wrong(f.what());
    }
    if (dog) print_lateness(*dog);
    return status;
}

}  // namespace weft::cli
