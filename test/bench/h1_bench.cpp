// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What the HTTP/1 codec costs a message: decoding a head (its allocation included), taking it over
// and dropping it; encoding one; chunks.

#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

namespace http = weft::http;
namespace h1 = weft::http::h1;

namespace {

/// What wrk sends, with one field more.
constexpr std::string_view small =
    "GET / HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "User-Agent: wrk/4.1.0\r\n"
    "Accept: */*\r\n"
    "\r\n";

/// What a browser sends: 15 fields.
constexpr std::string_view browser =
    "GET /static/app/main.7f3a9c.js?v=20240611 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36\r\n"
    "Accept: "
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: nl-BE,nl;q=0.9,en-US;q=0.8,en;q=0.7\r\n"
    "Cache-Control: max-age=0\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=4f1d6a7c9be24f0fb0a4; theme=dark; consent=yes\r\n"
    "If-None-Match: \"5e8c2-60b9a3\"\r\n"
    "Referer: https://www.example.com/index.html\r\n"
    "Sec-Fetch-Dest: script\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "DNT: 1\r\n"
    "\r\n";

void decode_request(benchmark::State& state, std::string_view input) {
    h1::request_decoder decoder;
    for (auto _ : state) {
        if (decoder.decode(input) != h1::progress::complete) state.SkipWithError("refused");
        benchmark::DoNotOptimize(decoder.traits());
        const http::request_head head = decoder.take_head();
        benchmark::DoNotOptimize(head.target().data());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * input.size()));
}
BENCHMARK_CAPTURE(decode_request, three_fields, small);
BENCHMARK_CAPTURE(decode_request, browser_15_fields, browser);

void decode_browser_byte_by_byte(benchmark::State& state) {
    h1::request_decoder decoder;
    for (auto _ : state) {
        for (std::size_t n = 1; n <= browser.size(); ++n)
            benchmark::DoNotOptimize(decoder.decode(browser.substr(0, n)));
        benchmark::DoNotOptimize(decoder.take_head());
    }
}
BENCHMARK(decode_browser_byte_by_byte);

void decode_response(benchmark::State& state) {
    constexpr std::string_view input =
        "HTTP/1.1 200 OK\r\n"
        "Server: nginx/1.22.1\r\n"
        "Date: Tue, 11 Jun 2024 09:00:00 GMT\r\n"
        "Content-Type: text/plain\r\n"
        "Content-Length: 13\r\n"
        "Connection: keep-alive\r\n"
        "\r\n";
    h1::response_decoder decoder;
    for (auto _ : state) {
        if (decoder.decode(input, http::method::get) != h1::progress::complete)
            state.SkipWithError("refused");
        benchmark::DoNotOptimize(decoder.take_head());
    }
}
BENCHMARK(decode_response);

void look_up(benchmark::State& state) {
    h1::request_decoder decoder;
    if (decoder.decode(browser) != h1::progress::complete) state.SkipWithError("refused");
    const http::request_head head = decoder.take_head();
    for (auto _ : state) {
        benchmark::DoNotOptimize(head.headers().contains(http::field::content_length));
        benchmark::DoNotOptimize(head.headers().get(http::field::host));
        benchmark::DoNotOptimize(head.headers().get("DNT"));
        benchmark::DoNotOptimize(head.headers().get("X-Missing"));
    }
}
BENCHMARK(look_up);

void build_and_encode_response(benchmark::State& state) {
    std::string out;
    for (auto _ : state) {
        http::response_head head;
        head.headers().add(http::field::content_type, "text/plain; charset=utf-8");
        out.clear();
        h1::append(out, head,
                   {.body = h1::framing::sized(13), .date = "Tue, 11 Jun 2024 09:00:00 GMT"});
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(build_and_encode_response);

void encode_browser_request(benchmark::State& state) {
    h1::request_decoder decoder;
    if (decoder.decode(browser) != h1::progress::complete) state.SkipWithError("refused");
    const http::request_head head = decoder.take_head();
    std::string out;
    for (auto _ : state) {
        out.clear();
        h1::append(out, head, {});
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(encode_browser_request);

void decode_chunks_of_4_kib(benchmark::State& state) {
    std::string input;
    for (int i = 0; i < 16; ++i) input += "1000\r\n" + std::string(4096, 'x') + "\r\n";
    input += h1::last_chunk;
    for (auto _ : state) {
        h1::body_decoder body(h1::framing::chunked());
        std::string_view in = input;
        for (h1::body_step s; (s = body.decode(in)).what != h1::body_step::event::end;) {
            in.remove_prefix(s.consumed);
            benchmark::DoNotOptimize(s.data.data());
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 16);
}
BENCHMARK(decode_chunks_of_4_kib);

}  // namespace
