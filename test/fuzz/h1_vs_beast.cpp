// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Compares our verdict on a message with that of Boost.Beast's parser: whether it is accepted, its
// content, and where it ends. Every difference must have a reason in the list below that is found
// in the bytes themselves, by other code than the decoder's; any other difference aborts. Two
// messages that both accept must never differ.

#include "h1_common.hpp"
#include "naive_message.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/url/parse.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>

namespace beast = boost::beast;
namespace http = weft::http;
namespace h1 = weft::http::h1;
using naive::message;
using naive::role;

namespace {

/// What one side makes of the first message of the input.
struct verdict {
    bool accepted = false;  ///< whole and well-formed
    std::size_t size = 0;   ///< where the next message starts
    std::string content;
    std::string why;
    friend bool operator==(const verdict& a, const verdict& b) {
        return a.accepted == b.accepted && a.size == b.size && a.content == b.content;
    }
};

template <bool Request>
class beast_parser : public beast::http::basic_parser<Request> {
  public:
    std::string content;

  private:
    using view = beast::string_view;
    using code = beast::error_code;
    void on_request_impl(beast::http::verb, view, view, int, code& ec) override { ec = {}; }
    void on_response_impl(int, view, int, code& ec) override { ec = {}; }
    void on_field_impl(beast::http::field, view, view, code& ec) override { ec = {}; }
    void on_header_impl(code& ec) override { ec = {}; }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, code& ec) override { ec = {}; }
    std::size_t on_body_impl(view body, code& ec) override {
        ec = {};
        content.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, view, code& ec) override { ec = {}; }
    std::size_t on_chunk_body_impl(std::uint64_t, view body, code& ec) override {
        return on_body_impl(body, ec);
    }
    void on_finish_impl(code& ec) override { ec = {}; }
};

template <bool Request>
verdict ask_beast(std::string_view input, bool head_method) {
    beast_parser<Request> parser;
    parser.eager(true);
    parser.header_limit(0x7fffffff);
    parser.body_limit(boost::none);
    parser.skip(head_method);
    verdict v;
    beast::error_code ec;
    // In memory of its own size, for sanitizers.
    const std::vector<char> memory(input.begin(), input.end());
    while (!parser.is_done() && v.size < memory.size()) {
        const std::size_t n =
            parser.put(boost::asio::buffer(memory.data() + v.size, memory.size() - v.size), ec);
        v.size += n;
        if (ec || n == 0) break;
    }
    if (ec == beast::http::error::need_more) ec = {};
    if (!ec && !parser.is_done() && parser.got_some()) parser.put_eof(ec);
    v.accepted = !ec && parser.is_done();
    v.content = std::move(parser.content);
    v.why = ec ? ec.message() : "incomplete";
    return v;
}

template <class Decoder, class... Method>
verdict ask_weft(std::string_view input, const Method&... method) {
    // Limits are ours alone: none here.
    constexpr h1::limits none{.start_line = 1 << 24,
                              .header_block = 1 << 24,
                              .fields = 1 << 24,
                              .empty_lines = 1 << 24,
                              .chunk_extension = 1 << 24};
    verdict v;
    Decoder decoder(none);
    const h1::progress p = decoder.decode(input, method...);
    if (p != h1::progress::complete) {
        v.why = p == h1::progress::failed ? decoder.error().message() : "incomplete head";
        return v;
    }
    v.size = decoder.consumed();
    h1::body_decoder body(decoder.traits().body, none);
    for (;;) {
        h1::body_step step = body.decode(input.substr(v.size));
        v.size += step.consumed;
        v.content += step.data;
        if (step.what == h1::body_step::event::data) continue;
        if (step.what == h1::body_step::event::need_more) step = body.end_of_input();
        v.accepted = step.what == h1::body_step::event::end;
        if (!v.accepted) v.why = body.error().message();
        return v;
    }
}

// ---- the reasons, each looked up in the bytes ---------------------------------------------------

/// host [":" port] by Boost.URL, with weft's further demands: a host, no user, a port that exists.
struct authority {
    std::string host, port;
};
std::optional<authority> read_authority(std::string_view text) {
    const auto parsed = boost::urls::parse_authority(text);
    if (!parsed || parsed->has_userinfo() || parsed->encoded_host().empty()) return std::nullopt;
    authority a{std::string(parsed->encoded_host()), std::string(parsed->port())};
    std::string digits = a.port;
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
    if (digits.size() > 5 || (digits.size() == 5 && digits > "65535")) return std::nullopt;
    return a;
}

/// The authority of a target in absolute form; nullopt: it is none, or malformed.
std::optional<authority> authority_of_target(const std::string& target) {
    const std::size_t at = target.find("://");
    if (at == std::string::npos || at == 0) return std::nullopt;
    std::size_t end = at + 3;
    while (end < target.size() && target[end] != '/' && target[end] != '?') ++end;
    for (std::size_t i = 0; i < at; ++i) {
        const char c = target[i];
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!alpha && (i == 0 || !other)) return std::nullopt;
    }
    return read_authority(std::string_view(target).substr(at + 3, end - at - 3));
}

std::string effective_port(const std::string& port, std::string scheme) {
    for (char& c : scheme) c = naive::lower(c);
    if (!port.empty()) return std::to_string(std::stoul(port));
    return scheme == "http" ? "80" : scheme == "https" ? "443" : "0";
}

// RFC 9112 3.2: Host must be there once, be well-formed, and agree with an absolute target. Beast
// leaves this to others.
bool host(const message& m) {
    if (m.who != role::request) return false;
    const auto values = m.values("host");
    if (values.empty()) return m.version != "HTTP/1.0";
    if (values.size() > 1) return true;
    const auto named = read_authority(values[0]);
    if (!named) return true;
    const auto wanted = m.method == "CONNECT" ? std::nullopt : authority_of_target(m.target);
    if (!wanted || m.target[0] == '/') return false;
    const std::string scheme = m.target.substr(0, m.target.find(':'));
    return naive::lower(wanted->host) != naive::lower(named->host) ||
           effective_port(wanted->port, scheme) != effective_port(named->port, scheme);
}

// RFC 9112 3.2: bytes that no target has, and forms that do not go with the method. Beast takes any
// word.
bool target(const message& m) {
    if (m.who != role::request) return false;
    for (const char c : m.target)
        if (c <= ' ' || c == 0x7f || c == '#') return true;
    if (m.method == "CONNECT") {
        const auto a = read_authority(m.target);
        return !a || a->port.empty();
    }
    if (m.target[0] == '/') return false;
    if (m.target == "*") return m.method != "OPTIONS";
    return !authority_of_target(m.target);
}

// RFC 9112 3: a method longer than any that is known.
bool method_length(const message& m) { return m.who == role::request && m.method.size() > 22; }

// RFC 9112 6.1, 6.3: anything but exactly `chunked` once, in HTTP/1.1, without a length. Beast
// ignores what it does not understand, and the version.
bool transfer_encoding(const message& m) {
    const auto values = m.values("transfer-encoding");
    if (values.empty()) return false;
    return values.size() > 1 || naive::lower(values[0]) != "chunked" || m.version == "HTTP/1.0" ||
           !m.values("content-length").empty();
}

// RFC 9112 6.3 lets a recipient take equal lengths that are repeated; we refuse them, Beast takes
// them.
bool content_length(const message& m) {
    const auto values = m.values("content-length");
    return values.size() > 1 || (values.size() == 1 && values[0].find(',') != std::string::npos);
}

// RFC 9110 9.3.6: what follows CONNECT is the tunnel's.
bool connect_content(const message& m) {
    return m.who == role::request && m.method == "CONNECT" &&
           (!m.values("content-length").empty() || !m.values("transfer-encoding").empty());
}

// RFC 9112 5.2: Beast joins folded lines.
bool obs_fold(const message& m) { return m.folded; }

// RFC 9112 7.1: white space behind a chunk size, more than 16 digits, control characters in quoted
// strings.
bool chunk_line(const message& m) {
    return std::any_of(m.chunk_lines.begin(), m.chunk_lines.end(), [](const std::string& line) {
        const std::size_t digits =
            std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
        if (digits > 16) return true;
        if (digits < line.size() && (line[digits] == ' ' || line[digits] == '\t')) return true;
        return std::any_of(line.begin(), line.end(), [](char c) {
            return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
        });
    });
}

// RFC 9110 15: codes are from 100; Beast takes 000.
bool status_code(const message& m) { return m.who == role::response && m.status.starts_with("0"); }

// RFC 9112 2.2 (empty lines first), 2.3 with RFC 9110 2.5 (a higher minor version), 4 (no space
// before an empty phrase): what a recipient may take, and Beast does not.
bool start_line(const message& m) {
    const bool minor = m.version.size() == 8 && m.version.starts_with("HTTP/1.") &&
                       m.version[7] >= '2' && m.version[7] <= '9';
    return minor || (m.who == role::request && m.empty_lines > 0) ||
           (m.who == role::response && m.no_space_after_status);
}

// Beast refuses a Connection that is no list of tokens; to us it is one without the options that
// matter.
bool connection_list(const message& m) {
    const auto bad = [](const std::string& value) {
        std::string_view rest = value;
        for (;;) {
            const std::size_t comma = rest.find(',');
            const std::string_view element = naive::trim(rest.substr(0, comma));
            if (element.empty()) return true;
            for (const char c : element)
                if (!naive::token_character(c)) return true;
            if (comma == std::string_view::npos) return false;
            rest.remove_prefix(comma + 1);
        }
    };
    for (const char* name : {"connection", "proxy-connection"}) {
        const auto values = m.values(name);
        const auto trailers = m.trailer_values(name);
        if (std::any_of(values.begin(), values.end(), bad) ||
            std::any_of(trailers.begin(), trailers.end(), bad))
            return true;
    }
    return false;
}

// RFC 9110 6.5.1: we drop framing fields in trailers, Beast lets them reframe or fails on them.
bool trailer_fields(const message& m) {
    return !m.trailer_values("content-length").empty() ||
           !m.trailer_values("transfer-encoding").empty();
}

enum class side { weft, beast };  // which of the two refuses

struct difference {
    const char* name;
    side refuses;
    bool (*in)(const message&);
};
constexpr std::array differences{
    difference{"host", side::weft, host},
    difference{"target", side::weft, target},
    difference{"method_length", side::weft, method_length},
    difference{"transfer_encoding", side::weft, transfer_encoding},
    difference{"content_length", side::weft, content_length},
    difference{"connect_content", side::weft, connect_content},
    difference{"obs_fold", side::weft, obs_fold},
    difference{"chunk_line", side::weft, chunk_line},
    difference{"status_code", side::weft, status_code},
    difference{"start_line", side::beast, start_line},
    difference{"connection_list", side::beast, connection_list},
    difference{"trailer_fields", side::beast, trailer_fields},
};
static_assert(differences.size() <= 12);

/// Counts what was seen, and prints it at the end: a comparison that explains nothing compares
/// nothing.
struct tally {
    std::size_t runs = 0, both_accept = 0, both_refuse = 0;
    std::map<std::string, std::size_t> by_reason;
    ~tally() {
        std::fprintf(stderr, "compared %zu: both accept %zu, both refuse %zu\n", runs, both_accept,
                     both_refuse);
        for (const auto& [name, n] : by_reason)
            std::fprintf(stderr, "  %-18s %zu\n", name.c_str(), n);
    }
};

void compare(std::string_view input, role who, const verdict& ours, const verdict& theirs) {
    static tally seen;
    ++seen.runs;
    if (!ours.accepted && !theirs.accepted) {
        ++seen.both_refuse;
        return;
    }
    if (ours == theirs) {
        ++seen.both_accept;
        return;
    }
    if (ours.accepted != theirs.accepted) {
        const side refuses = ours.accepted ? side::beast : side::weft;
        const message m = naive::read(input, who);
        for (const difference& d : differences) {
            if (d.refuses == refuses && d.in(m)) {
                ++seen.by_reason[d.name];
                return;
            }
        }
    }
    const auto print = [](const verdict& v) {
        return v.accepted ? fmt::format("accepts {} bytes, content '{}'", v.size, v.content)
                          : "refuses: " + v.why;
    };
    h1::test::violated(who == role::request ? "an unexplained difference about a request"
                                            : "an unexplained difference about a response",
                       "weft " + print(ours), "Beast " + print(theirs));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    compare(input, role::request, ask_weft<h1::request_decoder>(input),
            ask_beast<true>(input, false));
    compare(input, role::response, ask_weft<h1::response_decoder>(input, http::method::get),
            ask_beast<false>(input, false));
    compare(input, role::response, ask_weft<h1::response_decoder>(input, http::method::head),
            ask_beast<false>(input, true));
    return 0;
}
