// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Content: the outcome does not depend on how the input is cut, and what was decoded survives being
// written and read again.

#include "h1_common.hpp"
#include <weft/http/h1/encoder.hpp>

#include <algorithm>
#include <cstdint>

namespace http = weft::http;
namespace h1 = weft::http::h1;

namespace {

struct outcome {
    std::string content, verdict;
    http::headers trailers;
};

outcome decode(std::span<const std::string_view> pieces, h1::framing framing,
               const h1::limits& limits) {
    outcome out;
    h1::body_decoder body(framing, limits);
    h1::test::pending_input in;
    using event = h1::body_step::event;
    event last = event::need_more;
    std::size_t consumed = 0;
    for (const std::string_view piece : pieces) {
        in.add(piece);
        do {
            const std::string_view view = in.view();
            const h1::body_step step = body.decode(view);
            if (step.consumed > view.size()) h1::test::violated("more consumed than there was");
            if ((step.what == event::data) == step.data.empty())
                h1::test::violated("data without data");
            if (!step.data.empty() &&
                (step.data.data() < view.data() ||
                 step.data.data() + step.data.size() > view.data() + step.consumed))
                h1::test::violated("data outside of what was consumed");
            out.content += step.data;
            last = step.what;
            consumed += step.consumed;
            in.consume(step.consumed);
        } while (last == event::data);
    }
    if (last == event::need_more) last = body.end_of_input().what;
    if (last == event::end) {
        out.verdict = fmt::format("end at {} ", consumed) + h1::test::describe(body.trailers());
        out.trailers = body.take_trailers();
    } else {
        out.verdict = to_string(body.error().why());
    }
    return out;
}

void round_trip(std::string_view input) {
    const outcome first = decode({&input, 1}, h1::framing::chunked(), {});
    if (!first.verdict.starts_with("end")) return;
    std::string wire;
    for (std::string_view rest = first.content; !rest.empty();) {
        const std::string_view part = rest.substr(0, std::min<std::size_t>(rest.size(), 7));
        char header[h1::max_chunk_header];
        wire.append(header, h1::write_chunk_header(header, part.size()))
            .append(part)
            .append(h1::chunk_end);
        rest.remove_prefix(part.size());
    }
    h1::append_last_chunk(wire, first.trailers);
    const std::string_view view = wire;
    const outcome second = decode({&view, 1}, h1::framing::chunked(), {.header_block = 1 << 20});
    if (second.content != first.content) h1::test::violated("other content", wire);
    if (h1::test::describe(second.trailers) != h1::test::describe(first.trailers))
        h1::test::violated("other trailers", wire, second.verdict);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const h1::limits& limits : {h1::limits{}, h1::test::tight}) {
        for (const h1::framing framing :
             {h1::framing::chunked(), h1::framing::until_close(), h1::framing::sized(size / 2),
              h1::framing::sized(size + 1), h1::framing::none()}) {
            h1::test::same_at_cuts(input, [&](std::span<const std::string_view> pieces) {
                const outcome o = decode(pieces, framing, limits);
                return o.verdict + " " + o.content;
            });
        }
    }
    round_trip(input);
    return 0;
}
