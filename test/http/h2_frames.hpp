// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// HTTP/2 frame by frame, for tests: what is built here may break every rule.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace h2 {

inline constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types, flags, errors and settings (RFC 9113 6, 7).
enum type : unsigned {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum flag : unsigned { NONE = 0, END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIO = 32 };
enum error : std::uint32_t {
    NO_ERROR,
    PROTOCOL_ERROR,
    INTERNAL_ERROR,
    FLOW_CONTROL_ERROR,
    SETTINGS_TIMEOUT,
    STREAM_CLOSED,
    FRAME_SIZE_ERROR,
    REFUSED_STREAM,
    CANCEL,
    COMPRESSION_ERROR,
    CONNECT_ERROR,
    ENHANCE_YOUR_CALM
};

inline std::string number(std::uint64_t value, int octets) {
    std::string s;
    for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8)
        s.push_back(static_cast<char>(value >> shift & 0xff));
    return s;
}

inline std::uint32_t number_at(std::string_view s, std::size_t at, int octets = 4) {
    std::uint32_t value = 0;
    for (int i = 0; i < octets; ++i)
        value = value << 8 | static_cast<unsigned char>(s[at + static_cast<std::size_t>(i)]);
    return value;
}

/// A frame whose length field says what it is, or `length`.
inline std::string frame(unsigned type, unsigned flags, std::uint32_t stream,
                         std::string_view payload, long length = -1) {
    std::string s = number(length < 0 ? payload.size() : static_cast<std::uint64_t>(length), 3);
    s.push_back(static_cast<char>(type));
    s.push_back(static_cast<char>(flags));
    return s.append(number(stream, 4)).append(payload);
}

using field = std::pair<std::string_view, std::string_view>;
using fields = std::vector<field>;

/// A header block: literals that are not indexed, without Huffman (RFC 7541 6.2.2).
inline std::string block(const fields& list) {
    std::string s;
    const auto text = [&](std::string_view t) {
        if (t.size() < 127) {
            s.push_back(static_cast<char>(t.size()));
        } else {
            s.push_back(127);
            std::size_t rest = t.size() - 127;
            for (; rest >= 128; rest /= 128) s.push_back(static_cast<char>(rest % 128 + 128));
            s.push_back(static_cast<char>(rest));
        }
        s.append(t);
    };
    for (const auto& [name, value] : list) {
        s.push_back(0);
        text(name);
        text(value);
    }
    return s;
}

inline const fields get{
    {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};
inline const fields post{
    {":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};
inline fields with(fields base, std::initializer_list<field> more) {
    base.insert(base.end(), more);
    return base;
}

inline std::string headers(std::uint32_t stream, const fields& list = get,
                           unsigned flags = END_STREAM | END_HEADERS) {
    return frame(HEADERS, flags, stream, block(list));
}
inline std::string data(std::uint32_t stream, std::string_view content,
                        unsigned flags = END_STREAM) {
    return frame(DATA, flags, stream, content);
}
inline std::string settings(std::initializer_list<std::pair<unsigned, std::uint32_t>> list = {}) {
    std::string s;
    for (const auto& [id, value] : list) s.append(number(id, 2)).append(number(value, 4));
    return frame(SETTINGS, NONE, 0, s);
}
inline std::string settings_ack() { return frame(SETTINGS, ACK, 0, ""); }
inline std::string ping(std::string_view opaque = "12345678", unsigned flags = NONE) {
    return frame(PING, flags, 0, opaque);
}
inline std::string window_update(std::uint32_t stream, std::uint32_t by) {
    return frame(WINDOW_UPDATE, NONE, stream, number(by, 4));
}
inline std::string rst(std::uint32_t stream, std::uint32_t code = CANCEL) {
    return frame(RST_STREAM, NONE, stream, number(code, 4));
}
inline std::string goaway(std::uint32_t last, std::uint32_t code = NO_ERROR) {
    return frame(GOAWAY, NONE, 0, number(last, 4) + number(code, 4));
}
/// What a client says first.
inline std::string greeting() { return std::string(preface) + settings() + settings_ack(); }

/// A frame that came.
struct seen {
    unsigned type = 0;
    unsigned flags = 0;
    std::uint32_t stream = 0;
    std::string payload;
};

/// Takes whole frames off what was read.
inline bool take(std::string& input, seen& out) {
    if (input.size() < 9) return false;
    const std::size_t length = number_at(input, 0, 3);
    if (input.size() < 9 + length) return false;
    out.type = static_cast<unsigned char>(input[3]);
    out.flags = static_cast<unsigned char>(input[4]);
    out.stream = number_at(input, 5) & 0x7fffffff;
    out.payload = input.substr(9, length);
    input.erase(0, 9 + length);
    return true;
}

}  // namespace h2
