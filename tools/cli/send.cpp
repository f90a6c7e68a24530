// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include "exchange_report.hpp"
#include "narrator.hpp"
#include "progress_bar.hpp"
#include "send_arguments.hpp"
#include <weft/core/failure.hpp>
#include <weft/dns/connector.hpp>
#include <weft/dns/default_resolver.hpp>
#include <weft/dns/overrides.hpp>
#include <weft/http/client.hpp>
#include <weft/http/layer/decompress.hpp>
#include <weft/http/layer/redirect.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

namespace weft::cli {

namespace {

/// The request with every field that is sent, so that -v can show it and -H 'Name:' take one out.
http::request request_of(const send_arguments& a) {
    http::request r(http::method(a.method), a.url);
    if (const auto parsed = boost::urls::parse_uri(a.url); parsed && parsed->has_authority()) {
        const std::string_view usual = parsed->scheme() == "https" ? "443" : "80";
        const auto host =
            parsed->port() == usual ? parsed->encoded_host() : parsed->encoded_host_and_port();
        if (!host.empty()) r.headers().add(http::field::host, std::string_view(host));
    }
    r.headers().add(http::field::user_agent, "weft/" WEFT_VERSION);
    if (a.form) r.headers().add(http::field::content_type, "application/x-www-form-urlencoded");
    for (const auto& [name, value] : a.headers) {
        // The user's words replace ours.
        const http::field id = http::recognize(name);
        if (id == http::field::host || id == http::field::user_agent ||
            id == http::field::content_type)
            r.headers().erase(id);
    }
    for (const auto& name : a.removed) r.headers().erase(name);
    for (const auto& [name, value] : a.headers) r.headers().add(name, value);
    try {
        if (!a.data_file.empty())
            r.body() = http::body::file(a.data_file);
        else if (a.data)
            r.body() = http::body(*a.data);
    } catch (const failure&) {
        throw usage_error{fmt::format("cannot read '{}'", a.data_file), read_error};
    }
    return r;
}

std::optional<tls::client_config> tls_of(const send_arguments& a) {
    if (!a.insecure && a.roots.empty() && a.certificate.empty()) return std::nullopt;
    tls::client_options options;
    if (a.insecure) options.verify = tls::verify::dangerously_none;
    try {
        if (!a.roots.empty()) options.roots = tls::certificate::all_from_file(a.roots);
        if (!a.certificate.empty())
            options.identity =
                tls::identity::from_files(a.certificate, a.key.empty() ? a.certificate : a.key);
        return tls::client_config(std::move(options));
    } catch (const failure& f) {
        throw usage_error{f.what(), bad_certificate};
    }
}

http::client client_of(const send_arguments& a) {
    http::client_options options;
    options.user_agent.clear();  // request_of has it
    options.protocol = a.protocol;
    options.tls = tls_of(a);
    if (a.connect_timeout) options.connect_timeout = *a.connect_timeout;
    // As long as it takes: --max-time is the limit.
    options.response_timeout = options.body_timeout = options.write_timeout =
        options.queue_timeout = std::chrono::hours(24 * 365);
    dns::connector_options to;
    to.names = dns::default_resolver();
    if (!a.addresses.empty()) to.names = dns::overrides(a.addresses) >> to.names;
    net::connector connect = dns::connector(std::move(to));
    const narrator tells;
    http::client client(a.verbose ? tells.around(std::move(connect)) : std::move(connect),
                        std::move(options));
    if (a.verbose) client = client.with(tells);
    if (a.compressed) client = client.with(http::decompress());
    if (a.follow) client = client.with(http::follow_redirects({.max = a.max_redirects}));
    return client;
}

/// The end of -v and -w.
void report(const send_arguments& a, const http::response& r, std::chrono::nanoseconds total,
            std::uint64_t received) {
    const exchange_report all(r, a.url, total, received);
    if (a.verbose) fmt::print(stderr, "* {}\n", all.times());
    if (!a.write_out.empty()) {
        fmt::print("{}", all.write_out(a.write_out));
        std::fflush(stdout);
    }
}

awaitable<int> exchange(const send_arguments& a, const http::client& client,
                        http::request request) {
    const auto executor = co_await boost::asio::this_coro::executor;
    const clock& time = context_info::of(executor).clock();
    const auto begun = time.now();
    http::response r = co_await client.serve(std::move(request));
    if (a.fail && r.status().is_error()) {
        if (a.complains())
            fmt::print(stderr, "weft send: the server answered {} {}\n", r.status().code(),
                       r.reason());
        report(a, r, time.now() - begun, 0);
        co_return exit_status::http_error;
    }
    std::FILE* out = stdout;
    struct closer {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };
    std::unique_ptr<std::FILE, closer> opened;
    if (!a.output.empty() && a.output != "-") {
        opened.reset(std::fopen(a.output.c_str(), "wb"));
        if (!opened) {
            if (a.complains()) fmt::print(stderr, "weft send: cannot write '{}'\n", a.output);
            co_return exit_status::write_error;
        }
        out = opened.get();
    }
    if (a.include)
        fmt::print(out, "{}\r\n{}\r\n", status_line(r.head()), fields_of(r.headers(), "", "\r\n"));
    bool written = true;
    std::uint64_t done = 0;
    {
        progress_bar bar(opened && !a.silent && ::isatty(STDERR_FILENO) != 0, r.body().size(),
                         time);
        while (written) {
            std::optional<bytes> chunk = co_await r.body().next();
            if (!chunk) break;
            written = std::fwrite(chunk->data(), 1, chunk->size(), out) == chunk->size();
            done += chunk->size();
            bar.at(done);
        }
    }
    if (written && std::fflush(out) == 0) {
        report(a, r, time.now() - begun, done);
        co_return exit_status::ok;
    }
    if (a.complains()) fmt::print(stderr, "weft send: cannot write the body\n");
    co_return exit_status::write_error;
}

awaitable<int> send_all(const send_arguments& a, http::client client, http::request request) {
    std::exception_ptr thrown;
    try {
        awaitable<int> whole = exchange(a, client, std::move(request));
        if (!a.max_time) co_return co_await std::move(whole);
        co_return co_await with_deadline(*a.max_time, std::move(whole));
    } catch (...) {
        thrown = std::current_exception();
    }
    const failure f = failure::from(std::move(thrown));
    if (a.complains()) {
        if (f.kind() == failure_kind::cancelled)
            fmt::print(stderr, "weft send: interrupted\n");
        else
            fmt::print(stderr, "weft send: {}\n", f.what());
    }
    co_return status_of(f);
}

}  // namespace

int send(std::span<char*> arguments) {
    try {
        const send_arguments wanted = parse_send(arguments);
        if (wanted.help) {
            std::fwrite(send_usage.data(), 1, send_usage.size(), stdout);
            return ok;
        }
        return weft::run(send_all(wanted, client_of(wanted), request_of(wanted)));
    } catch (const usage_error& e) {
        fmt::print(stderr, "weft send: {}\n", e.why);
        return e.status;
    } catch (const failure& f) {
        fmt::print(stderr, "weft send: {}\n", f.what());
        return status_of(f);
    }
}

}  // namespace weft::cli
