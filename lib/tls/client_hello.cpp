// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "client_hello_parser.hpp"
#include <weft/tls/client_hello.hpp>

#include <algorithm>

namespace weft::tls {

namespace {

/// Reads numbers and vectors (RFC 8446, 3) from the front of some bytes. Once something does not
/// fit, everything after it is empty and `good` says so.
class reader {
  public:
    explicit reader(std::string_view bytes) noexcept : rest_(bytes) {}

    [[nodiscard]] bool good() const noexcept { return good_; }
    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
    /// All was read, and it did fit.
    [[nodiscard]] bool finished() const noexcept { return good_ && rest_.empty(); }

    std::string_view take(std::size_t n) noexcept {
        if (n > rest_.size()) {
            good_ = false;
            rest_ = {};
            return {};
        }
        const std::string_view taken = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return taken;
    }
    std::uint32_t number(std::size_t size) noexcept {
        std::uint32_t n = 0;
        for (const char c : take(size)) n = n << 8 | static_cast<unsigned char>(c);
        return n;
    }
    /// A vector with a length of so many bytes.
    std::string_view vector(std::size_t length_size) noexcept { return take(number(length_size)); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

constexpr std::uint32_t record_handshake = 22;
constexpr std::uint32_t message_client_hello = 1;
constexpr std::uint32_t extension_server_name = 0;
constexpr std::uint32_t extension_alpn = 16;
constexpr std::uint32_t extension_supported_versions = 43;
constexpr std::size_t record_header = 5;
constexpr std::size_t message_header = 4;
constexpr std::size_t max_record = 16 * 1024;
constexpr std::size_t max_alpn = 64;

bool read_numbers(std::string_view list, std::vector<std::uint16_t>& into) {
    reader in(list);
    into.reserve(list.size() / 2);
    while (in.good() && !in.at_end()) into.push_back(static_cast<std::uint16_t>(in.number(2)));
    return in.good();
}

/// RFC 7301, 3.1.
bool read_alpn(std::string_view data, std::vector<std::string>& names) {
    reader in(data);
    reader list(in.vector(2));
    while (list.good() && !list.at_end()) {
        const std::string_view name = list.vector(1);
        if (name.empty()) return false;
        if (names.size() < max_alpn) names.emplace_back(name);
    }
    return in.finished() && list.good() && !names.empty();
}

/// The kinds of a ClientHello's extensions.
class extension_kinds {
  public:
    void add(std::uint32_t kind) {
        if (kind >= 64) return others_.push_back(static_cast<std::uint16_t>(kind));
        const std::uint64_t bit = std::uint64_t{1} << kind;
        twice_ = twice_ || (usual_ & bit) != 0;
        usual_ |= bit;
    }
    /// Whether one came twice. Not asked for each: a list of 16,000 would take its time to look
    /// through.
    [[nodiscard]] bool any_twice() {
        std::ranges::sort(others_);
        return twice_ || std::ranges::adjacent_find(others_) != others_.end();
    }

  private:
    std::uint64_t usual_ = 0;
    std::vector<std::uint16_t> others_;
    bool twice_ = false;
};

bool read_extensions(std::string_view data, client_hello& hello) {
    reader in(data);
    extension_kinds seen;
    while (in.good() && !in.at_end()) {
        const std::uint32_t kind = in.number(2);
        const std::string_view value = in.vector(2);
        if (!in.good()) return false;
        seen.add(kind);
        if (kind == extension_server_name) {
            if (!detail::parse_server_name(value, hello.server_name)) return false;
        } else if (kind == extension_alpn) {
            if (!read_alpn(value, hello.alpn)) return false;
        } else if (kind == extension_supported_versions) {
            reader list(value);
            const std::string_view versions = list.vector(1);
            hello.versions.clear();
            if (!list.finished() || !read_numbers(versions, hello.versions)) return false;
        }
    }
    // None may come twice (RFC 8446, 4.2).
    return in.good() && !seen.any_twice();
}

/// The body of the message (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2).
bool read_hello(std::string_view body, client_hello& hello) {
    reader in(body);
    hello.versions = {static_cast<std::uint16_t>(in.number(2))};
    in.take(32);  // random
    const std::string_view session = in.vector(1);
    const std::string_view suites = in.vector(2);
    const std::string_view compressions = in.vector(1);
    if (!in.good() || session.size() > 32 || suites.empty() || compressions.empty()) return false;
    if (!read_numbers(suites, hello.cipher_suites)) return false;
    if (in.at_end()) return true;  // TLS 1.2 without extensions
    const std::string_view extensions = in.vector(2);
    return in.finished() && read_extensions(extensions, hello);
}

/// The message's bytes without the records around them (RFC 8446, 5.1).
struct unwrapped {
    std::string message;
    std::size_t announced = 0;  // by the records: more of it may be to come
    bool good = true;
};

unwrapped unwrap(std::string_view bytes) {
    unwrapped u;
    while (!bytes.empty()) {
        // What is there of the header must be that of a handshake record.
        if (static_cast<unsigned char>(bytes[0]) != record_handshake) u.good = false;
        if (bytes.size() > 1 && bytes[1] != 3) u.good = false;
        if (!u.good || bytes.size() < record_header) break;
        reader header(bytes.substr(3, 2));
        const std::size_t size = header.number(2);
        if (size == 0 || size > max_record) u.good = false;
        if (!u.good) break;
        u.announced += size;
        u.message += bytes.substr(record_header, size);
        bytes.remove_prefix(std::min(bytes.size(), record_header + size));
        // As soon as the whole message is there, the records behind it are another matter.
        if (u.message.size() >= message_header) {
            reader length(std::string_view(u.message).substr(1, 3));
            if (u.message.size() >= message_header + length.number(3)) break;
        }
    }
    return u;
}

}  // namespace

namespace detail {

bool parse_server_name(std::string_view extension, std::string& name) {
    // A list of names, of which only a host name (0) exists, and that once.
    reader in(extension);
    reader list(in.vector(2));
    const std::uint32_t kind = list.number(1);
    const std::string_view host = list.vector(2);
    if (!in.finished() || !list.finished() || kind != 0) return false;
    if (host.empty() || host.size() > 255 || host.find('\0') != std::string_view::npos)
        return false;
    name.assign(host);
    for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return true;
}

bool parse_hello_message(std::string_view message, client_hello& hello) {
    hello = {};
    reader in(message);
    const std::uint32_t kind = in.number(1);
    const std::string_view body = in.vector(3);
    if (kind == message_client_hello && in.finished() && read_hello(body, hello)) return true;
    hello = {};
    return false;
}

}  // namespace detail

client_hello_parse parse_client_hello(std::string_view bytes) {
    using outcome = client_hello_parse::outcome;
    client_hello_parse result;
    const unwrapped u = unwrap(bytes);
    const std::string_view message = u.message;
    if (!u.good || (!message.empty() && message[0] != message_client_hello)) {
        result.what = outcome::other;
        return result;
    }
    if (message.size() < message_header) return result;
    reader length(message.substr(1, 3));
    const std::size_t size = message_header + length.number(3);
    // Nothing follows a ClientHello in its record: the client has to wait for the answer.
    if (size > max_client_hello || u.announced > size) {
        result.what = outcome::other;
    } else if (message.size() == size) {
        result.what =
            detail::parse_hello_message(message, result.hello) ? outcome::whole : outcome::other;
    } else if (bytes.size() >= 2 * max_client_hello) {
        result.what = outcome::other;  // cut into records that hold next to nothing
    }
    return result;
}

}  // namespace weft::tls
