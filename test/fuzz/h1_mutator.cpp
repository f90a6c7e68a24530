// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Mutates HTTP/1 messages by lines: what a byte mutator takes long to find is one step here. Half
// of the time the bytes are left to libFuzzer.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

constexpr std::string_view starts[] = {"GET / HTTP/1.1",
                                       "POST /a?b HTTP/1.1",
                                       "GET / HTTP/1.0",
                                       "GET / HTTP/1.2",
                                       "OPTIONS * HTTP/1.1",
                                       "GET http://a/b HTTP/1.1",
                                       "GET https://a:1 HTTP/1.1",
                                       "CONNECT a:443 HTTP/1.1",
                                       "HTTP/1.1 200 OK",
                                       "HTTP/1.1 204 No Content",
                                       "HTTP/1.1 304 x",
                                       "HTTP/1.1 100 Continue",
                                       "HTTP/1.0 200 OK",
                                       "HTTP/1.1 101 Switching",
                                       "HTTP/1.1 200 ",
                                       "HTTP/1.1 200",
                                       "HTTP/1.9 500 x",
                                       "HTTP/1.1 000 x",
                                       "HTTP/2.0 200 x",
                                       "X-Y \x80 HTTP/1.1",
                                       "GET mailto:a HTTP/1.1",
                                       "GET /#f HTTP/1.1",
                                       "get  / HTTP/1.1",
                                       ""};

constexpr std::string_view lines[] = {"Host: a",
                                      "Host: a:443",
                                      "Host: [::1]",
                                      "Host:",
                                      "Host: a b",
                                      "Content-Length: 3",
                                      "Content-Length: 0",
                                      "Content-Length: 3, 3",
                                      "Content-Length: +3",
                                      "Content-Length: 003",
                                      "Content-Length: 18446744073709551616",
                                      "Transfer-Encoding: chunked",
                                      "Transfer-Encoding: CHUNKED ",
                                      "Transfer-Encoding: gzip, chunked",
                                      "Transfer-Encoding: chunked, gzip",
                                      "Transfer-Encoding: chunked, chunked",
                                      "Transfer-Encoding: ,chunked",
                                      "Transfer-Encoding: chunked;a=b",
                                      "Transfer-Encoding: identity",
                                      "Transfer-Encoding:",
                                      "Connection: close",
                                      "Connection: keep-alive, upgrade",
                                      "Connection: a/b,,",
                                      "Proxy-Connection: ;",
                                      "Upgrade: x",
                                      "Expect: 100-continue",
                                      "X: y",
                                      "X:",
                                      " folded",
                                      "\tfolded: b",
                                      "X : y",
                                      ": y",
                                      "X",
                                      "X: \x80\xff",
                                      "X: a\x01",
                                      "X: a\rb",
                                      "X: a\nHost: b",
                                      "Trailer: X",
                                      ""};

constexpr std::string_view bodies[] = {"abc",
                                       "3\r\nabc\r\n0\r\n\r\n",
                                       "3;a=b\r\nabc\r\n0;c=\"d\"\r\n\r\n",
                                       "3 ;a\r\nabc\r\n0\r\n\r\n",
                                       "3 \r\nabc\r\n0\r\n\r\n",
                                       "3; a = b ; c\r\nabc\r\n0\r\n\r\n",
                                       "3;a=\"\x01\"\r\nabc\r\n0\r\n\r\n",
                                       "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n",
                                       "00000000000000003\r\nabc\r\n0\r\n\r\n",
                                       "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
                                       "3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
                                       "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
                                       "3\r\nabc\r\n0\r\nX: y\r\n folded\r\n\r\n",
                                       "3\r\nabc\r\n0\r\nConnection: /\r\n\r\n",
                                       "3\nabc\n0\n\n",
                                       "3\r\nabcd\r\n0\r\n\r\n",
                                       "ffffffffffffffff\r\nabc",
                                       "0x3\r\nabc\r\n0\r\n\r\n",
                                       "3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                       ""};

template <std::size_t N>
std::string_view one_of(const std::string_view (&set)[N], std::minstd_rand& random) {
    return set[random() % N];
}

std::string compose(std::minstd_rand& random) {
    std::string out;
    if (random() % 8 == 0) out += "\r\n";
    out.append(one_of(starts, random)).append("\r\n");
    // Most messages are nearly right.
    if (random() % 4 != 0) out += "Host: a\r\n";
    for (auto n = random() % 4; n != 0; --n) out.append(one_of(lines, random)).append("\r\n");
    if (random() % 3 == 0) out += "Transfer-Encoding: chunked\r\n";
    out += "\r\n";
    return out.append(one_of(bodies, random));
}

void change_lines(std::string& text, std::minstd_rand& random) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = text.find("\r\n", at);
        parts.push_back(text.substr(at, end - at));
        if (end == std::string::npos) break;
        at = end + 2;
    }
    const std::size_t at = random() % (parts.size() + 1);
    const auto position = parts.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random() % 5) {
        case 0:
            parts.emplace(position, one_of(lines, random));
            break;
        case 1:
            parts.emplace(position, one_of(bodies, random));
            break;
        case 2:
            if (at < parts.size()) parts.erase(position);
            break;
        case 3:
            if (at < parts.size()) parts.insert(position, parts[at]);
            break;
        default:
            if (at < parts.size())
                *position = at == 0 ? one_of(starts, random) : one_of(lines, random);
    }
    text.clear();
    for (std::size_t i = 0; i < parts.size(); ++i)
        text.append(i == 0 ? "" : "\r\n").append(parts[i]);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
    std::minstd_rand random(seed);
    const auto choice = random() % 4;
    if (choice < 2) return LLVMFuzzerMutate(data, size, max_size);
    std::string text =
        choice == 2 ? compose(random) : std::string(reinterpret_cast<char*>(data), size);
    if (choice == 3)
        for (auto n = 1 + random() % 3; n != 0; --n) change_lines(text, random);
    if (text.size() > max_size) text.resize(max_size);
    std::memcpy(data, text.data(), text.size());
    return text.size();
}
