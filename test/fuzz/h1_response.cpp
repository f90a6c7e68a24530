// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Responses: the outcome does not depend on how the input is cut, and what was accepted survives
// being written and read again.

#include "h1_common.hpp"
#include <weft/http/h1/encoder.hpp>

#include <cstdint>

namespace http = weft::http;
namespace h1 = weft::http::h1;

namespace {

void round_trip(std::string_view input, const http::method& m) {
    h1::response_decoder decoder;
    if (decoder.decode(input, m) != h1::progress::complete) return;
    if (decoder.consumed() > input.size()) h1::test::violated("more consumed than there was");
    const h1::traits traits = decoder.traits();
    const http::response_head head = decoder.take_head();
    const h1::head_options options{
        .body = traits.body,
        .connection = traits.upgrade ? h1::connection::upgrade : h1::connection::unsaid};
    std::string wire;
    h1::append(wire, head, options);
    if (wire.size() > h1::encoded_size(head, options))
        h1::test::violated("encoded_size is too small");
    h1::response_decoder again({.start_line = 1 << 20, .header_block = 1 << 20, .fields = 1000});
    if (again.decode(wire, m) != h1::progress::complete)
        h1::test::violated("what was written is refused", wire, again.error().message());
    if (again.consumed() != wire.size()) h1::test::violated("the head ends elsewhere", wire);
    if (again.traits().body != traits.body) h1::test::violated("other framing", wire);
    const http::response_head back = again.take_head();
    if (back.status() != head.status() || back.reason() != head.reason())
        h1::test::violated("another status line", wire);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const http::method& m : {http::method::get, http::method::head, http::method::connect}) {
        for (const h1::limits& limits : {h1::limits{}, h1::test::tight}) {
            h1::test::same_at_cuts(input, [&](std::span<const std::string_view> pieces) {
                return h1::test::transcript<h1::response_decoder>(pieces, limits, true, m);
            });
        }
        round_trip(input, m);
    }
    return 0;
}
