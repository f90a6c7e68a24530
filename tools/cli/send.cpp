// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace weft::cli {

namespace {

constexpr std::string_view usage =
    "usage: weft send [METHOD] URL [OPTIONS]     (curl's options)\n"
    "  -X METHOD              the method; GET, or POST with a body\n"
    "  -H 'Name: value'       a field; 'Name:' leaves out one that would be sent\n"
    "  -d DATA                a form body (application/x-www-form-urlencoded); @FILE without its "
    "line ends\n"
    "  --data-binary DATA     a body as it is; @FILE, @- is standard input\n"
    "  -o FILE                writes the body to FILE, with a progress bar on a terminal\n"
    "  -i                     shows the response's head\n"
    "  -v                     shows both heads on standard error\n"
    "  -s                     no progress bar, no error message\n"
    "  -f                     status 22 and no body when the response is 400 or more\n"
    "  --max-time SECONDS     for everything\n"
    "  --connect-timeout SECONDS\n";

// curl's exit statuses, where one fits.
enum exit_status : int {
    ok = 0,
    failed = 1,
    bad_usage = 2,
    bad_url = 3,
    cannot_connect = 7,
    http_error = 22,
    write_error = 23,
    timed_out = 28,
    receive_error = 56
};

struct send_arguments {
    std::string method;
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::vector<std::string> removed;
    std::optional<std::string> data;
    std::string data_file;
    bool form = false;
    std::string output;
    bool include = false;
    bool verbose = false;
    bool silent = false;
    bool fail = false;
    std::optional<std::chrono::milliseconds> max_time;
    std::optional<std::chrono::milliseconds> connect_timeout;
};

struct usage_error {
    std::string why;
};

/// Seconds as curl takes them: "2", "0.5".
std::chrono::milliseconds seconds(std::string_view option, std::string_view text) {
    double s = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), s);
    if (ec != std::errc() || end != text.data() + text.size() || !(s > 0) || s > 1e9)
        throw usage_error{fmt::format("{} takes seconds, not '{}'", option, text)};
    return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000));
}

std::string read_file(const std::string& name) {
    if (name == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
    std::ifstream in(name, std::ios::binary);
    if (!in) throw usage_error{fmt::format("cannot read '{}'", name)};
    return {std::istreambuf_iterator<char>(in), {}};
}

void add_data(send_arguments& a, std::string_view value, bool form) {
    std::string piece;
    if (value.starts_with('@')) {
        const std::string name(value.substr(1));
        if (!form && name != "-" && !a.data && a.data_file.empty()) {
            a.data_file = name;  // sent from the disk, never held whole
            return;
        }
        piece = read_file(name);
        if (form) std::erase_if(piece, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    } else {
        piece = value;
    }
    if (!a.data_file.empty()) {
        a.data = read_file(std::exchange(a.data_file, {}));
    }
    a.form = a.form || form;
    a.data = a.data ? *a.data + "&" + piece : std::move(piece);
}

void add_header(send_arguments& a, std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == text.npos)
        throw usage_error{fmt::format("-H takes 'Name: value', not '{}'", text)};
    std::string_view value = text.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (value.empty())
        a.removed.emplace_back(text.substr(0, colon));
    else
        a.headers.emplace_back(text.substr(0, colon), value);
}

bool is_method(std::string_view text) {
    for (char c : text)
        if (c < 'A' || c > 'Z') return false;
    return !text.empty();
}

send_arguments parse(std::span<char*> arguments) {
    send_arguments a;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view option = arguments[i];
        const auto value = [&]() -> std::string_view {
            if (option.size() > 2 && option[0] == '-' && option[1] != '-') return option.substr(2);
            if (i + 1 >= arguments.size())
                throw usage_error{fmt::format("{} needs a value", option)};
            return arguments[++i];
        };
        const std::string_view brief = option.substr(0, 2);
        if (option == "--data-binary")
            add_data(a, value(), false);
        else if (option == "--max-time")
            a.max_time = seconds(option, value());
        else if (option == "--connect-timeout")
            a.connect_timeout = seconds(option, value());
        else if (option == "-i")
            a.include = true;
        else if (option == "-v")
            a.verbose = true;
        else if (option == "-s")
            a.silent = true;
        else if (option == "-f")
            a.fail = true;
        else if (brief == "-X")
            a.method = value();
        else if (brief == "-H")
            add_header(a, value());
        else if (brief == "-d")
            add_data(a, value(), true);
        else if (brief == "-o")
            a.output = value();
        else if (option.starts_with("-"))
            throw usage_error{fmt::format("no option '{}'", option)};
        else if (a.method.empty() && a.url.empty() && is_method(option) &&
                 option.find('.') == option.npos)
            a.method = option;
        else if (a.url.empty())
            a.url = option;
        else
            throw usage_error{fmt::format("unexpected argument '{}'", option)};
    }
    if (a.url.empty()) throw usage_error{"say which URL"};
    if (a.url.find("://") == a.url.npos) a.url.insert(0, "http://");
    if (a.method.empty()) a.method = a.data || !a.data_file.empty() ? "POST" : "GET";
    return a;
}

/// What a terminal is shown while a large body is written to a file.
class progress_bar {
  public:
    progress_bar(bool shown, std::optional<std::uint64_t> total, const clock& time)
        : shown_(shown), total_(total), time_(time), start_(time.now()), last_(start_) {}
    ~progress_bar() {
        if (drawn_) std::fputc('\n', stderr);
    }
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    void at(std::uint64_t done) {
        const auto now = time_.now();
        const bool end = total_ && done == *total_;
        if (!shown_ || (now - last_ < std::chrono::milliseconds(100) && !(end && drawn_))) return;
        last_ = now;
        drawn_ = true;
        const double mib = static_cast<double>(done) / (1024 * 1024);
        const double rate = mib / std::chrono::duration<double>(now - start_).count();
        if (total_ && *total_ > 0) {
            const auto filled = static_cast<std::size_t>(30.0 * static_cast<double>(done) /
                                                         static_cast<double>(*total_));
            fmt::print(stderr, "\r[{:<30}] {:3}% {:.1f} MiB {:.1f} MiB/s ",
                       std::string(filled, '#'), done * 100 / *total_, mib, rate);
        } else {
            fmt::print(stderr, "\r{:.1f} MiB {:.1f} MiB/s ", mib, rate);
        }
        std::fflush(stderr);
    }

  private:
    bool shown_;
    std::optional<std::uint64_t> total_;
    const clock& time_;
    clock::time_point start_, last_;
    bool drawn_ = false;
};

template <class Head>
std::string fields_of(const Head& headers, std::string_view mark) {
    std::string out;
    for (auto [name, value, id] : headers) out += fmt::format("{}{}: {}\r\n", mark, name, value);
    return out;
}

std::string status_line(const http::response& r) {
    return fmt::format("{} {} {}\r\n", to_string(r.version()), r.status().code(), r.reason());
}

awaitable<int> exchange(const send_arguments& a) {
    http::client_options options;
    if (a.connect_timeout) options.connect_timeout = *a.connect_timeout;
    http::client client(options);
    auto builder = client.request(http::method(a.method), a.url);
    http::headers shown;
    for (const auto& [name, value] : a.headers) {
        builder.header(name, value);
        shown.add(name, value);
    }
    if (!a.data_file.empty())
        builder.body(http::body::file(a.data_file));
    else if (a.data)
        builder.body(http::body(*a.data));
    if (a.form && !shown.contains("Content-Type"))
        builder.header("Content-Type", "application/x-www-form-urlencoded");
    if (a.verbose) fmt::print(stderr, "> {} {}\n{}", a.method, a.url, fields_of(shown, "> "));
    http::response r = co_await std::move(builder).send();
    if (a.verbose) fmt::print(stderr, "< {}{}<\n", status_line(r), fields_of(r.headers(), "< "));
    if (a.fail && r.status().is_error()) {
        if (!a.silent)
            fmt::print(stderr, "weft send: the server answered {} {}\n", r.status().code(),
                       r.reason());
        co_return exit_status::http_error;
    }
    std::FILE* out = stdout;
    struct closer {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };
    std::unique_ptr<std::FILE, closer> opened;
    if (!a.output.empty()) {
        opened.reset(std::fopen(a.output.c_str(), "wb"));
        if (!opened) {
            if (!a.silent) fmt::print(stderr, "weft send: cannot write '{}'\n", a.output);
            co_return exit_status::write_error;
        }
        out = opened.get();
    }
    if (a.include) fmt::print(out, "{}{}\r\n", status_line(r), fields_of(r.headers(), ""));
    const auto executor = co_await boost::asio::this_coro::executor;
    progress_bar bar(opened && !a.silent && ::isatty(STDERR_FILENO) != 0, r.body().size(),
                     context_info::of(executor).clock());
    std::uint64_t done = 0;
    bool written = true;
    while (written) {
        std::optional<bytes> chunk = co_await r.body().next();
        if (!chunk) break;
        written = std::fwrite(chunk->data(), 1, chunk->size(), out) == chunk->size();
        done += chunk->size();
        bar.at(done);
    }
    if (written && std::fflush(out) == 0) co_return exit_status::ok;
    if (!a.silent) fmt::print(stderr, "weft send: cannot write the body\n");
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
        default:
            return failed;
    }
}

awaitable<int> send_all(const send_arguments& a) {
    std::exception_ptr thrown;
    try {
        if (a.max_time) co_return co_await with_deadline(*a.max_time, exchange(a));
        co_return co_await exchange(a);
    } catch (...) {
        thrown = std::current_exception();
    }
    const failure f = failure::from(std::move(thrown));
    if (!a.silent) fmt::print(stderr, "weft send: {}\n", f.what());
    co_return status_of(f);
}

}  // namespace

int send(std::span<char*> arguments) {
    for (const char* a : arguments)
        if (std::string_view(a) == "--help") {
            std::fwrite(usage.data(), 1, usage.size(), stdout);
            return 0;
        }
    try {
        const send_arguments wanted = parse(arguments);
        return weft::run(send_all(wanted));
    } catch (const usage_error& e) {
        fmt::print(stderr, "weft send: {}\n", e.why);
    } catch (const failure& f) {
        fmt::print(stderr, "weft send: {}\n", f.what());
    }
    return bad_usage;
}

}  // namespace weft::cli
