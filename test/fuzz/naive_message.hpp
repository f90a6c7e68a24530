// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Takes a message apart with string searches only, believing everything: it shares no code and no
// table with the decoder, so that it can say on its own what is odd in some bytes.
namespace naive {

enum class role { request, response };

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
inline std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}
inline std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}
inline bool token_character(char c) {
    return c > ' ' && c < 0x7f &&
           std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
}

struct message {
    role who = role::request;
    std::size_t empty_lines = 0;  ///< before the start line
    std::string method, target, version, status;
    bool no_space_after_status = false;
    bool folded = false;  ///< a line of the head or of the trailers begins with white space
    std::vector<std::pair<std::string, std::string>> fields, trailers;  ///< names in lower case
    std::vector<std::string> chunk_lines;

    [[nodiscard]] std::vector<std::string> values(std::string_view name) const {
        return find(fields, name);
    }
    [[nodiscard]] std::vector<std::string> trailer_values(std::string_view name) const {
        return find(trailers, name);
    }

  private:
    static std::vector<std::string> find(const std::vector<std::pair<std::string, std::string>>& in,
                                         std::string_view name) {
        std::vector<std::string> out;
        for (const auto& [n, v] : in)
            if (n == name) out.push_back(v);
        return out;
    }
};

/// Takes a line off, without its CRLF; without CRLF, everything.
inline std::string_view take_line(std::string_view& rest) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    return line;
}

/// Takes lines off up to an empty one.
inline void take_fields(std::string_view& rest, message& m,
                        std::vector<std::pair<std::string, std::string>>& into) {
    for (;;) {
        const std::string_view line = take_line(rest);
        if (line.empty()) return;
        if (line[0] == ' ' || line[0] == '\t') {
            m.folded = true;
            if (!into.empty()) into.back().second.append(" ").append(trim(line));
            continue;
        }
        const std::size_t colon = line.find(':');
        into.emplace_back(lower(line.substr(0, colon)),
                          colon == std::string_view::npos ? "" : trim(line.substr(colon + 1)));
    }
}

inline message read(std::string_view input, role who) {
    message m;
    m.who = who;
    for (; input.starts_with("\r\n"); input.remove_prefix(2)) ++m.empty_lines;
    const std::string_view line = take_line(input);
    const std::size_t first = line.find(' ');
    if (who == role::request) {
        const std::size_t last = line.rfind(' ');
        m.method = line.substr(0, first);
        if (first != std::string_view::npos && first < last)
            m.target = line.substr(first + 1, last - first - 1);
        if (last != std::string_view::npos) m.version = line.substr(last + 1);
        if (m.target.empty()) m.target = "?";
    } else {
        m.version = line.substr(0, first);
        if (first != std::string_view::npos) m.status = line.substr(first + 1, 3);
        m.no_space_after_status = line.find(' ', first + 1) == std::string_view::npos;
    }
    take_fields(input, m, m.fields);
    // Chunks as far as they go; other content is of no interest here.
    if (m.values("transfer-encoding").empty()) return m;
    while (!input.empty()) {
        m.chunk_lines.emplace_back(take_line(input));
        const auto size = std::strtoull(m.chunk_lines.back().c_str(), nullptr, 16);
        if (size == 0) {
            take_fields(input, m, m.trailers);
            return m;
        }
        if (size > input.size()) return m;
        input.remove_prefix(static_cast<std::size_t>(size));
        if (input.starts_with("\r\n")) input.remove_prefix(2);
    }
    return m;
}

}  // namespace naive
