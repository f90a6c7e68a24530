// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Codings of content: the outcome does not depend on how the input is cut, nor on how much room
// there is, and the limits hold. The first byte chooses the codings.

#include "../../lib/http/content_decoder.hpp"
#include <weft/core/failure.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace http = weft::http;

namespace {

constexpr std::uint64_t most = 1 << 20;

std::string decode(std::span<const std::string_view> codings, std::string_view input,
                   std::size_t piece, std::size_t room) {
    using state = http::detail::content_decoder::state;
    auto decoder =
        http::detail::content_decoder::make(codings, {.max_size = most, .max_ratio = 1u << 30});
    std::vector<char> memory(room);
    std::string out;
    try {
        for (;;) {
            const auto r = decoder->read(memory);
            out.append(memory.data(), r.size);
            if (r.what == state::end) return "end " + out;
            if (r.what == state::data) continue;
            const std::string_view next = input.substr(0, piece);
            input.remove_prefix(next.size());
            if (next.empty())
                decoder->finish();
            else
                decoder->feed(next);
        }
    } catch (const weft::failure& f) {
        return std::string(to_string(f.kind()));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    constexpr std::string_view names[] = {"gzip", "deflate", "br", "zstd"};
    std::vector<std::string_view> codings{names[data[0] % 4]};
    if (const unsigned second = data[0] / 4 % 5; second < 4) codings.push_back(names[second]);
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string whole = decode(codings, input, size, 64 * 1024);
    if (whole.size() > most + 4) std::abort();
    for (const auto& [piece, room] : {std::pair{std::size_t{1}, std::size_t{4096}},
                                      std::pair{std::size_t{13}, std::size_t{77}}}) {
        // A size that is too large is noticed at another byte, perhaps behind an error.
        const std::string other = decode(codings, input, piece, room);
        if (other != whole && whole != "rejected" && other != "rejected") {
            std::fprintf(stderr, "cut by %zu: %.60s, whole: %.60s\n", piece, other.c_str(),
                         whole.c_str());
            std::abort();
        }
    }
    return 0;
}
