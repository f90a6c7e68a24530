// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The first bytes of a connection: what they are does not depend on how they come, and no byte that
// follows changes it.

#include <weft/tls/client_hello.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace tls = weft::tls;
using outcome = tls::client_hello_parse::outcome;

namespace {

[[noreturn]] void violated(const char* law) {
    std::fprintf(stderr, "%s\n", law);
    std::abort();
}

/// The handshake bytes of whole records, each in a record of its own.
std::string byte_by_byte(std::string_view records) {
    std::string out;
    while (records.size() >= 5) {
        const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(records[3]))
                                     << 8 |
                                 static_cast<unsigned char>(records[4]);
        for (const char c : records.substr(5, size))
            (out += std::string_view("\x16\x03\x01\0\1", 5)) += c;
        records.remove_prefix(std::min(records.size(), 5 + size));
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const tls::client_hello_parse all = tls::parse_client_hello(input);
    if (all.what != outcome::whole && !(all.hello == tls::client_hello()))
        violated("something is said of what is not whole");
    // Once it is clear, it stays so; what is clear of all was not otherwise before.
    const std::size_t step = size < 600 ? 1 : size / 600;
    bool clear = false;
    for (std::size_t n = 0; n <= size; n += step) {
        const tls::client_hello_parse part = tls::parse_client_hello(input.substr(0, n));
        if (part.what == outcome::partial) {
            if (clear) violated("what was clear is open again");
            continue;
        }
        clear = true;
        if (part.what != all.what || !(part.hello == all.hello))
            violated("what follows changes what it is");
    }
    if (all.what == outcome::whole) {
        if (all.hello.server_name.size() > 255) violated("a name that is too long");
        if (size < 2048) {
            const tls::client_hello_parse cut = tls::parse_client_hello(byte_by_byte(input));
            if (cut.what == outcome::whole && !(cut.hello == all.hello))
                violated("the records change what is in them");
        }
    }
    return 0;
}
