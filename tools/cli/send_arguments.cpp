// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "send_arguments.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace weft::cli {

const std::string_view send_usage =
    "usage: weft send [METHOD] URL [OPTIONS]     (curl's options)\n"
    "  -X, --request METHOD     the method; GET, or POST with a body\n"
    "  -I, --head               HEAD, and shows the response's head\n"
    "  -H, --header 'Name: value'\n"
    "                           a field; 'Name:' leaves out one that would be sent, 'Name;' sends\n"
    "                           one without a value\n"
    "  -d, --data DATA          a form body (application/x-www-form-urlencoded); @FILE without\n"
    "                           its line ends, @- is standard input\n"
    "      --data-raw DATA      the same, but @ means nothing\n"
    "      --data-binary DATA   a body as it is, of no type; @FILE, @-\n"
    "  -o, --output FILE        writes the body to FILE, with a progress bar on a terminal\n"
    "  -i, --include            shows the response's head before the body\n"
    "  -v, --verbose            shows on standard error the addresses that were tried, the TLS\n"
    "                           session, both heads, and where the time went\n"
    "  -w, --write-out FORMAT   prints this at the end: %{http_code}, %{http_version}, "
    "%{time_total},\n"
    "                           %{time_namelookup}, %{time_connect}, %{time_appconnect},\n"
    "                           %{time_starttransfer}, %{remote_ip}, %{remote_port},\n"
    "                           %{size_download}, %{num_redirects}, %{url_effective},\n"
    "                           %{content_type}, %%, \\n, \\r, \\t\n"
    "  -s, --silent             no progress bar, no error message\n"
    "  -S, --show-error         error messages nevertheless\n"
    "  -f, --fail               status 22 and no body when the response is 400 or more\n"
    "  -m, --max-time SECONDS   for everything; no limit by default\n"
    "      --connect-timeout SECONDS\n"
    "                           10 by default\n"
    "  -L, --location           follows redirects, of which there may be\n"
    "      --max-redirs N       20 by default\n"
    "      --compressed         asks for gzip, deflate, br or zstd, and unpacks them\n"
    "      --http1.1            speaks HTTP/1.1\n"
    "      --http2              HTTP/2 where TLS agrees on it: the default\n"
    "      --http2-prior-knowledge\n"
    "                           HTTP/2 without asking, also on clear text\n"
    "  -k, --insecure           believes every server\n"
    "      --cacert FILE        believes these roots (PEM), and not the system's\n"
    "  -E, --cert FILE          shows the server this certificate (PEM, with its chain)\n"
    "      --key FILE           its key; where it is missing, in the file of --cert\n"
    "      --resolve HOST:PORT:ADDRESS[,ADDRESS]...\n"
    "                           the addresses of a name; PORT may be *\n"
    "Exit status: 0 when a response came (with -f: below 400), else 2 wrong usage, 3 wrong URL,\n"
    "7 cannot connect, 22 as said for -f, 23 cannot write, 26 cannot read, 28 timeout,\n"
    "35 the TLS handshake failed, 47 too many redirects, 56 the connection or the response broke,\n"
    "58 --cert, --key or --cacert cannot be used, 60 the server is not who it should be,\n"
    "130 interrupted, 1 anything else.\n";

namespace {

/// An option: its letter (or 0), its name, whether a value follows.
struct option {
    char letter;
    std::string_view name;
    bool takes_value;
};
constexpr std::array options{
    option{'X', "request", true},     option{'I', "head", false},
    option{'H', "header", true},      option{'d', "data", true},
    option{0, "data-raw", true},      option{0, "data-binary", true},
    option{'o', "output", true},      option{'i', "include", false},
    option{'v', "verbose", false},    option{'s', "silent", false},
    option{'S', "show-error", false}, option{'f', "fail", false},
    option{'m', "max-time", true},    option{0, "connect-timeout", true},
    option{'L', "location", false},   option{0, "max-redirs", true},
    option{0, "compressed", false},   option{0, "http1.1", false},
    option{0, "http2", false},        option{0, "http2-prior-knowledge", false},
    option{'k', "insecure", false},   option{0, "cacert", true},
    option{'E', "cert", true},        option{0, "key", true},
    option{0, "resolve", true},       option{'w', "write-out", true},
    option{'h', "help", false},
};

/// Seconds as curl takes them: "2", "0.5".
std::chrono::milliseconds seconds(std::string_view name, std::string_view text) {
    double s = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), s);
    if (ec != std::errc() || end != text.data() + text.size() || !(s > 0) || s > 1e9)
        throw usage_error{fmt::format("--{} takes seconds, not '{}'", name, text)};
    return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000));
}

std::string read_file(const std::string& name) {
    if (name == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
    std::error_code ec;
    std::ifstream in(name, std::ios::binary);
    if (!in || std::filesystem::is_directory(name, ec))
        throw usage_error{fmt::format("cannot read '{}'", name), read_error};
    return {std::istreambuf_iterator<char>(in), {}};
}

enum class data_kind { form, raw, binary };

void add_data(send_arguments& a, std::string_view value, data_kind kind) {
    std::string piece;
    if (value.starts_with('@') && kind != data_kind::raw) {
        const std::string name(value.substr(1));
        std::error_code ec;
        if (kind == data_kind::binary && !a.has_body() &&
            std::filesystem::is_regular_file(name, ec)) {
            a.data_file = name;
            return;
        }
        piece = read_file(name);
        if (kind == data_kind::form)
            std::erase_if(piece, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    } else {
        piece = value;
    }
    if (!a.data_file.empty()) a.data = read_file(std::exchange(a.data_file, {}));
    a.form = a.form || kind != data_kind::binary;
    a.data = a.data ? *a.data + "&" + piece : std::move(piece);
}

void add_header(send_arguments& a, std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == text.npos && text.ends_with(';') && text.size() > 1) {
        text.remove_suffix(1);
        a.headers.emplace_back(text, "");
        return;
    }
    if (colon == text.npos || colon == 0)
        throw usage_error{fmt::format("-H takes 'Name: value', not '{}'", text)};
    std::string_view value = text.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    if (value.empty())
        a.removed.emplace_back(text.substr(0, colon));
    else
        a.headers.emplace_back(text.substr(0, colon), value);
}

void head_only(send_arguments& a) {
    a.method = "HEAD";
    a.include = true;
}

unsigned redirects(std::string_view text) {
    unsigned n = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || end != text.data() + text.size())
        throw usage_error{fmt::format("--max-redirs takes a number, not '{}'", text)};
    return n;
}

dns::override_entry address_of(std::string_view text) {
    try {
        return dns::parse_override(text);
    } catch (const failure& f) {
        throw usage_error{
            fmt::format("--resolve takes HOST:PORT:ADDRESS[,ADDRESS]..., not '{}'", text)};
    }
}

/// To whom, how and as whom.
void apply_connection(send_arguments& a, std::string_view name, std::string_view value) {
    if (name == "location")
        a.follow = true;
    else if (name == "max-redirs")
        a.max_redirects = redirects(value);
    else if (name == "compressed")
        a.compressed = true;
    else if (name == "http1.1")
        a.protocol = http::protocol::http_1_1;
    else if (name == "http2")
        a.protocol = http::protocol::automatic;
    else if (name == "http2-prior-knowledge")
        a.protocol = http::protocol::http_2;
    else if (name == "insecure")
        a.insecure = true;
    else if (name == "cacert")
        a.roots = value;
    else if (name == "cert")
        a.certificate = value;
    else if (name == "key")
        a.key = value;
    else if (name == "resolve")
        a.addresses.push_back(address_of(value));
    else
        a.write_out = value;
}

void apply(send_arguments& a, std::string_view name, std::string_view value) {
    if (name == "request")
        a.method = value;
    else if (name == "head")
        head_only(a);
    else if (name == "header")
        add_header(a, value);
    else if (name == "data")
        add_data(a, value, data_kind::form);
    else if (name == "data-raw")
        add_data(a, value, data_kind::raw);
    else if (name == "data-binary")
        add_data(a, value, data_kind::binary);
    else if (name == "output")
        a.output = value;
    else if (name == "include")
        a.include = true;
    else if (name == "verbose")
        a.verbose = true;
    else if (name == "silent")
        a.silent = true;
    else if (name == "show-error")
        a.show_error = true;
    else if (name == "fail")
        a.fail = true;
    else if (name == "help")
        a.help = true;
    else if (name == "max-time")
        a.max_time = seconds(name, value);
    else if (name == "connect-timeout")
        a.connect_timeout = seconds(name, value);
    else
        apply_connection(a, name, value);
}

/// A first word in capitals is the method: `weft send PUT host/x`.
bool is_method(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

send_arguments parse_send(std::span<char*> arguments) {
    send_arguments a;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view text = arguments[i];
        const auto following = [&]() -> std::string_view {
            if (i + 1 >= arguments.size()) throw usage_error{fmt::format("{} needs a value", text)};
            return arguments[++i];
        };
        if (text.starts_with("--")) {
            const auto found = std::ranges::find(options, text.substr(2), &option::name);
            if (found == options.end()) throw usage_error{fmt::format("no option '{}'", text)};
            apply(a, found->name, found->takes_value ? following() : std::string_view());
        } else if (text.size() > 1 && text[0] == '-') {
            // Letters may stand together: -sSf, -XPUT, -so FILE.
            for (std::size_t at = 1; at < text.size(); ++at) {
                const auto found = std::ranges::find(options, text[at], &option::letter);
                if (found == options.end())
                    throw usage_error{text.size() == 2
                                          ? fmt::format("no option '{}'", text)
                                          : fmt::format("no option '-{}' in '{}'", text[at], text)};
                if (found->takes_value) {
                    const std::string_view rest = text.substr(at + 1);
                    apply(a, found->name, rest.empty() ? following() : rest);
                    break;
                }
                apply(a, found->name, {});
            }
        } else if (a.method.empty() && a.url.empty() && is_method(text)) {
            a.method = text;
        } else if (a.url.empty()) {
            a.url = text;
        } else {
            throw usage_error{fmt::format("unexpected argument '{}'", text)};
        }
    }
    if (a.help) return a;
    if (a.url.empty()) throw usage_error{"say which URL"};
    if (a.certificate.empty() && !a.key.empty())
        throw usage_error{"--key is of no use without --cert"};
    if (a.url.find("://") == a.url.npos) a.url.insert(0, "http://");
    a.url.erase(std::min(a.url.find('#'), a.url.size()));
    if (a.method.empty()) a.method = a.has_body() ? "POST" : "GET";
    return a;
}

}  // namespace weft::cli
