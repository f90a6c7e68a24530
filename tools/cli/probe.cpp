// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "certificate_report.hpp"
#include "commands.hpp"
#include "exit_status.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/printable.hpp>
#include <weft/dns/connector.hpp>
#include <weft/net/connect_attempts.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/error.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::cli {

namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::string_view usage =
    "usage: weft probe tls HOST[:PORT] [OPTIONS]\n"
    "  --server-name NAME   the name to ask for and to verify; HOST by default\n"
    "  --alpn LIST          the protocols to offer; h2,http/1.1 by default, '' for none\n"
    "  --cacert FILE        believes these roots (PEM), and not the system's\n"
    "  -E, --cert FILE      shows the server this certificate (PEM, with its chain)\n"
    "  --key FILE           its key; where it is missing, in the file of --cert\n"
    "  -m, --max-time SECONDS   for everything; 30 by default\n"
    "Connects a few times and says which versions of TLS the server speaks, what they agree on, "
    "how\n"
    "long a handshake takes, whether sessions are resumed, whether the certificate is verified "
    "and\n"
    "if not why, and what the certificates say. Port 443 where none is given.\n"
    "Exit status: 0 when the server is who it should be, 60 when it is not, 2 wrong usage,\n"
    "7 cannot connect, 28 timeout, 35 no handshake succeeded, 58 a file cannot be used, 130\n"
    "interrupted, 1 anything else.\n";

struct probe_arguments {
    tls::target host;
    std::string server_name;
    std::vector<std::string> alpn{"h2", "http/1.1"};
    std::string roots;
    std::string certificate;
    std::string key;
    std::chrono::milliseconds max_time = 30s;
    bool help = false;
};

/// "shop.test", "shop.test:8443", "[2001:db8::1]:443", "2001:db8::1".
tls::target target_of(std::string_view text) {
    tls::target to{std::string(text), 443};
    const auto colon = text.rfind(':');
    const bool bare_v6 = !text.starts_with('[') && text.find(':') != colon;
    if (colon != text.npos && !bare_v6 && !text.ends_with(']')) {
        const std::string_view port = text.substr(colon + 1);
        const char* const end = port.data() + port.size();
        const auto [stopped, error] = std::from_chars(port.data(), end, to.port);
        if (error != std::errc() || stopped != end || to.port == 0)
            throw usage_error{fmt::format("the port of '{}' is no number from 1 to 65535", text)};
        to.host = text.substr(0, colon);
    }
    if (to.host.starts_with('[') && to.host.ends_with(']'))
        to.host = to.host.substr(1, to.host.size() - 2);
    if (to.host.empty()) throw usage_error{"say which HOST:PORT"};
    return to;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> all;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        if (comma > 0) all.emplace_back(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return all;
}

std::chrono::milliseconds seconds_of(std::string_view text) {
    double s = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), s);
    if (ec != std::errc() || end != text.data() + text.size() || !(s > 0) || s > 1e6)
        throw usage_error{fmt::format("--max-time takes seconds, not '{}'", text)};
    return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000));
}

probe_arguments parse(std::span<char*> arguments) {
    probe_arguments a;
    bool tls = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view text = arguments[i];
        const auto value = [&]() -> std::string_view {
            if (i + 1 >= arguments.size()) throw usage_error{fmt::format("{} needs a value", text)};
            return arguments[++i];
        };
        if (text == "--help" || text == "-h")
            a.help = true;
        else if (text == "--server-name")
            a.server_name = value();
        else if (text == "--alpn")
            a.alpn = words_of(value());
        else if (text == "--cacert")
            a.roots = value();
        else if (text == "-E" || text == "--cert")
            a.certificate = value();
        else if (text == "--key")
            a.key = value();
        else if (text == "-m" || text == "--max-time")
            a.max_time = seconds_of(value());
        else if (text.starts_with('-'))
            throw usage_error{fmt::format("no option '{}'", text)};
        else if (!tls && text == "tls")
            tls = true;
        else if (tls && a.host.host.empty())
            a.host = target_of(text);
        else
            throw usage_error{fmt::format("unexpected argument '{}'", text)};
    }
    if (a.help) return a;
    if (!tls) throw usage_error{"say what to probe: tls HOST:PORT"};
    if (a.host.host.empty()) throw usage_error{"say which HOST:PORT"};
    if (a.certificate.empty() && !a.key.empty())
        throw usage_error{"--key is of no use without --cert"};
    return a;
}

tls::client_options options_of(const probe_arguments& a) {
    tls::client_options options;
    try {
        if (!a.roots.empty()) options.roots = tls::certificate::all_from_file(a.roots);
        if (!a.certificate.empty())
            options.identity =
                tls::identity::from_files(a.certificate, a.key.empty() ? a.certificate : a.key);
        options.alpn = a.alpn;
        static_cast<void>(tls::client_config(options));  // refused now, if at all
    } catch (const failure& f) {
        throw usage_error{f.what(), bad_certificate};
    }
    return options;
}

/// A handshake that succeeded.
struct session {
    tls::info info;
    nanoseconds connected{};
    nanoseconds handshake{};
    std::string address;
    /// What the server said to it when it should have been silent: in TLS 1.3 it judges the
    /// client's certificate when the client is done.
    std::optional<failure> refused = {};
};

class prober {
  public:
    prober(const probe_arguments& a, tls::client_options options, const clock& time)
        : arguments_(a), options_(std::move(options)), time_(time) {}

    awaitable<int> run();

  private:
    awaitable<session> connect(tls::client_config config, bool listen);
    awaitable<void> probe_version(tls::version v, const session& first);
    void print_chain(const session& s) const;

    const probe_arguments& arguments_;
    const tls::client_options options_;
    const clock& time_;
    const net::connector dial_ = dns::connector();
};

double ms(nanoseconds d) { return static_cast<double>(d.count()) / 1e6; }

/// "TLS_AES_128_GCM_SHA256, h2, handshake 2.1 ms".
std::string agreed(const session& s) {
    return fmt::format("{}{}{}, handshake {:.1f} ms", s.info.cipher,
                       s.info.alpn.empty() ? "" : ", ", printable(s.info.alpn), ms(s.handshake));
}

/// The shortest text that says it: the reason or the alert, where there is one.
std::string reason_of(const failure& f) {
    // Not every OpenSSL has a name for it (RFC 8446, 6.2).
    constexpr int certificate_required = 116;
    if (f.code().category() == tls::alert_category() && f.code().value() == certificate_required)
        return "certificate required";
    for (const char* key : {"reason", "alert"})
        if (const auto said = f.context(key)) return printable(*said);
    return printable(f.message());
}

/// `listen`: for the tickets of TLS 1.3, which come after the handshake and are noticed by reading.
awaitable<session> prober::connect(tls::client_config config, bool listen) {
    const tls::target name{
        arguments_.server_name.empty() ? arguments_.host.host : arguments_.server_name,
        arguments_.host.port};
    net::connect_request to(arguments_.host.host, arguments_.host.port);
    const auto begun = time_.now();
    io::stream below = co_await dial_.serve(std::move(to));
    session s;
    s.connected = time_.now() - begun;
    if (const auto* tried = below.extensions().get<net::connect_attempts>())
        for (const net::connect_attempt& one : tried->tried)
            if (one.outcome == net::connect_attempt::end::connected)
                s.address = net::to_string(one.address);
    const auto greeted = time_.now();
    io::stream above = co_await tls::handshake(std::move(below), std::move(config), name);
    s.handshake = time_.now() - greeted;
    if (const auto* info = above.extensions().get<tls::info>()) s.info = *info;
    if (!listen) co_return s;
    std::array<char, 256> ignored;
    const clock::duration patience = std::clamp<clock::duration>(4 * s.handshake, 100ms, 2s);
    auto r = co_await attempt(with_deadline(patience, above.read(boost::asio::buffer(ignored))));
    if (!r && r.error().code().category() == tls::alert_category()) s.refused = r.error();
    co_return s;
}

awaitable<void> prober::probe_version(tls::version v, const session& first) {
    if (v == first.info.version) {
        fmt::print("{}: {}\n", tls::to_string(v), agreed(first));
        co_return;
    }
    tls::client_options only = options_;
    only.verify = tls::verify::dangerously_none;
    only.min_version = only.max_version = v;
    auto r = co_await attempt(connect(tls::client_config(std::move(only)), false));
    if (r)
        fmt::print("{}: {}\n", tls::to_string(v), agreed(*r));
    else
        fmt::print("{}: no ({})\n", tls::to_string(v), reason_of(r.error()));
}

void prober::print_chain(const session& s) const {
    for (const tls::certificate& one : s.info.peer_chain)
        fmt::print("{}", certificate_lines(one, time_.wall_now()));
}

awaitable<int> prober::run() {
    tls::client_options options = options_;
    std::optional<failure> disbelieved;
    auto got = co_await attempt(connect(tls::client_config(options), false));
    if (!got && got.error().context("reason") &&
        got.error().kind() == failure_kind::authentication) {
        disbelieved = got.error();
        options.verify = tls::verify::dangerously_none;
        got = co_await attempt(connect(tls::client_config(options), false));
    }
    if (!got) throw failure(got.error());
    const session first = std::move(*got);
    fmt::print("address: {}, connected after {:.1f} ms\n", first.address, ms(first.connected));
    for (const auto v : {tls::version::tls_1_3, tls::version::tls_1_2})
        co_await probe_version(v, first);

    // One configuration keeps the session of one connection for the next.
    const tls::client_config twice(options);
    const session full = co_await connect(twice, true);
    auto again = co_await attempt(connect(twice, false));
    if (again && again->info.resumed)
        fmt::print("resumption: yes, handshake {:.1f} ms\n", ms(again->handshake));
    else
        fmt::print("resumption: no\n");
    if (full.refused)
        fmt::print("client certificate: {} ({})\n",
                   options.identity ? "refused" : "wanted, and none was shown",
                   reason_of(*full.refused));
    if (disbelieved)
        fmt::print("verified: no, {}\n", reason_of(*disbelieved));
    else
        fmt::print("verified: yes\n");
    print_chain(first);
    co_return disbelieved ? not_verified : ok;
}

awaitable<int> probe_all(const probe_arguments& a, tls::client_options options) {
    const auto executor = co_await boost::asio::this_coro::executor;
    prober one(a, std::move(options), context_info::of(executor).clock());
    std::exception_ptr thrown;
    try {
        co_return co_await with_deadline(a.max_time, one.run());
    } catch (...) {
        thrown = std::current_exception();
    }
    const failure f = failure::from(std::move(thrown));
    if (f.kind() == failure_kind::cancelled)
        fmt::print(stderr, "weft probe: interrupted\n");
    else
        fmt::print(stderr, "weft probe: {}\n", printable(f.what()));
    co_return status_of(f);
}

}  // namespace

int probe(std::span<char*> arguments) {
    try {
        const probe_arguments wanted = parse(arguments);
        if (wanted.help) {
            std::fwrite(usage.data(), 1, usage.size(), stdout);
            return ok;
        }
        return weft::run(probe_all(wanted, options_of(wanted)));
    } catch (const usage_error& e) {
        fmt::print(stderr, "weft probe: {}\n", e.why);
        return e.status;
    }
}

}  // namespace weft::cli
