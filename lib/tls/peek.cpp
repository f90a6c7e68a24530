// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/io/prefixed.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/tls/client_hello.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>

#include <array>
#include <utility>

namespace weft::tls {

namespace {

struct first_bytes {
    std::string seen;
    client_hello_parse parse;
};

awaitable<first_bytes> read_first(io::stream& stream) {
    first_bytes first;
    std::array<char, 2048> memory;
    while (first.parse.what == client_hello_parse::outcome::partial) {
        const std::size_t n = co_await stream.read(boost::asio::buffer(memory));
        if (n == 0) break;
        first.seen.append(memory.data(), n);
        first.parse = parse_client_hello(first.seen);
    }
    co_return first;
}

awaitable<peeked_stream> peek_here(io::stream stream, std::chrono::milliseconds limit) {
    first_bytes first = co_await with_deadline(limit, read_first(stream));
    peeked_stream peeked;
    if (first.parse.what == client_hello_parse::outcome::whole)
        peeked.hello = std::move(first.parse.hello);
    peeked.stream = io::prefixed(bytes(std::move(first.seen)), std::move(stream));
    co_return peeked;
}

}  // namespace

awaitable<peeked_stream> peek_client_hello(io::stream stream, std::chrono::milliseconds limit) {
    const boost::asio::any_io_executor here = co_await boost::asio::this_coro::executor;
    const boost::asio::any_io_executor there = stream.get_executor();
    auto work = peek_here(std::move(stream), limit);
    if (here == there) co_return co_await std::move(work);
    co_return co_await run_on(there, std::move(work));
}

}  // namespace weft::tls
