// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include "progress_bar.hpp"
#include "send_arguments.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
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

/// The fields of a head, one a line.
std::string fields_of(const http::headers& headers, std::string_view mark, std::string_view end) {
    std::string out;
    for (auto [name, value, id] : headers) out += fmt::format("{}{}: {}{}", mark, name, value, end);
    return out;
}

std::string status_line(const http::response& r) {
    return fmt::format("{} {} {}", to_string(r.version()), r.status().code(), r.reason());
}

/// What -v shows: the head as it goes over the wire.
void show_request(const http::request& r, std::string_view target) {
    const auto size = r.body().size();
    std::string framing;
    if (!size)
        framing = "> Transfer-Encoding: chunked\n";
    else if (*size > 0 || r.method() == http::method::post || r.method() == http::method::put ||
             r.method() == http::method::patch)
        framing = fmt::format("> Content-Length: {}\n", *size);
    fmt::print(stderr, "> {} {} HTTP/1.1\n{}{}>\n", r.method().text(), target,
               fields_of(r.headers(), "> ", "\n"), framing);
}

/// The request with every field that is sent, so that -v can show it and -H 'Name:' take one out.
http::request request_of(const send_arguments& a) {
    http::request r(http::method(a.method), a.url);
    if (const auto parsed = boost::urls::parse_uri(a.url); parsed && parsed->has_authority()) {
        const auto host =
            parsed->port() == "80" ? parsed->encoded_host() : parsed->encoded_host_and_port();
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

std::string target_of(const send_arguments& a) {
    const auto parsed = boost::urls::parse_uri(a.url);
    if (!parsed) return a.url;
    const std::string_view target = parsed->encoded_target();
    return target.empty() || target.starts_with('?') ? "/" + std::string(target)
                                                     : std::string(target);
}

awaitable<int> exchange(const send_arguments& a, http::request request) {
    http::client_options options;
    options.user_agent.clear();  // request_of has it
    if (a.connect_timeout) options.connect_timeout = *a.connect_timeout;
    // As long as it takes: --max-time is the limit.
    options.response_timeout = options.body_timeout = options.write_timeout =
        std::chrono::hours(24 * 365);
    http::client client(options);
    if (a.verbose) show_request(request, target_of(a));
    http::response r = co_await client.serve(std::move(request));
    if (a.verbose)
        fmt::print(stderr, "< {}\n{}<\n", status_line(r), fields_of(r.headers(), "< ", "\n"));
    if (a.fail && r.status().is_error()) {
        if (a.complains())
            fmt::print(stderr, "weft send: the server answered {} {}\n", r.status().code(),
                       r.reason());
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
        fmt::print(out, "{}\r\n{}\r\n", status_line(r), fields_of(r.headers(), "", "\r\n"));
    const auto executor = co_await boost::asio::this_coro::executor;
    bool written = true;
    {
        progress_bar bar(opened && !a.silent && ::isatty(STDERR_FILENO) != 0, r.body().size(),
                         context_info::of(executor).clock());
        std::uint64_t done = 0;
        while (written) {
            std::optional<bytes> chunk = co_await r.body().next();
            if (!chunk) break;
            written = std::fwrite(chunk->data(), 1, chunk->size(), out) == chunk->size();
            done += chunk->size();
            bar.at(done);
        }
    }
    if (written && std::fflush(out) == 0) co_return exit_status::ok;
    if (a.complains()) fmt::print(stderr, "weft send: cannot write the body\n");
    co_return exit_status::write_error;
}

int status_of(const failure& f) {
    switch (f.kind()) {
        case failure_kind::timeout:
            return timed_out;
        case failure_kind::invalid_input:
            return bad_url;
        case failure_kind::unavailable:
            return f.delivered() == delivery::not_sent ? cannot_connect : receive_error;
        case failure_kind::protocol:
            return receive_error;
        case failure_kind::cancelled:
            return interrupted;
        default:
            return failed;
    }
}

awaitable<int> send_all(const send_arguments& a, http::request request) {
    std::exception_ptr thrown;
    try {
        awaitable<int> whole = exchange(a, std::move(request));
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
        return weft::run(send_all(wanted, request_of(wanted)));
    } catch (const usage_error& e) {
        fmt::print(stderr, "weft send: {}\n", e.why);
        return e.status;
    } catch (const failure& f) {
        fmt::print(stderr, "weft send: {}\n", f.what());
        return status_of(f);
    }
}

}  // namespace weft::cli
