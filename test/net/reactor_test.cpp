// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
// What the stream suite cannot see of waiting in a context of one thread.
#include <weft/net/tcp.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct serial_context {
    serial_context() {
        context_info& info = context_info::of(context.get_executor());
        info.set_serial(true);
        info.deadlines().release_timer();  // run() ends when nothing waits
    }

    std::pair<io::stream, io::stream> pair() {
        std::pair<io::stream, io::stream> made;
        auto connect = [](std::pair<io::stream, io::stream>& out) -> awaitable<void> {
            net::tcp::listener listener(co_await asio::this_coro::executor, "127.0.0.1:0");
            net::connect_request to("127.0.0.1", listener.local_endpoint().port());
            out.first = co_await net::tcp::connect.serve(std::move(to));
            out.second = co_await listener.accept();
        };
        bool done = false;
        asio::co_spawn(context, connect(made), [&](std::exception_ptr e) {
            CHECK(!e);
            done = true;
        });
        context.restart();
        while (!done && context.run_one_for(10s) > 0) {
        }
        return made;
    }

    asio::io_context context{1};
};

/// Reads for ever; on each byte calls a function.
struct reader {
    reader(io::stream s, std::function<void(reader&)> f)
        : stream(std::move(s)), on_byte(std::move(f)) {}
    void start() { stream.start_read({&buffer, 1}, read); }
    void done(io::error_code ec, std::size_t) {
        code = ec;
        if (ec) return;
        ++bytes;
        on_byte(*this);
    }
    io::stream stream;
    std::function<void(reader&)> on_byte;
    char byte = 0;
    asio::mutable_buffer buffer{&byte, 1};
    io::error_code code;
    int bytes = 0;
    io::member_operation<reader, &reader::done> read{*this};
};

}  // namespace

TEST_CASE("a completion may close other connections whose events are in the same batch") {
    serial_context c;
    std::vector<io::stream> peers;
    std::vector<std::unique_ptr<reader>> readers;
    for (int i = 0; i < 40; ++i) {
        auto [a, b] = c.pair();
        peers.push_back(std::move(a));
        readers.push_back(std::make_unique<reader>(std::move(b), [&](reader& self) {
            for (auto& other : readers)
                if (other.get() != &self) other->stream.close();
        }));
    }
    for (auto& r : readers) r->start();
    io::error_code ec;
    for (auto& p : peers) p.try_write(asio::buffer("x", 1), ec);
    c.context.restart();
    c.context.run_for(10s);
    int bytes = 0;
    int aborted = 0;
    for (auto& r : readers) {
        bytes += r->bytes;
        aborted += r->code == asio::error::operation_aborted;
    }
    CHECK(bytes == 1);
    CHECK(aborted == 39);
}

TEST_CASE("a descriptor number that is used again gets its own events only") {
    serial_context c;
    for (int i = 0; i < 200; ++i) {
        auto [a, b] = c.pair();
        auto [d, e] = c.pair();
        io::error_code ec;
        a.try_write(asio::buffer("old", 3), ec);  // an event for b, not fetched yet
        reader waiting(std::move(e), [](reader&) {});
        waiting.start();
        const int number = b.native_socket();
        b.close();
        auto [f, g] = c.pair();
        CHECK((f.native_socket() == number || g.native_socket() == number ||
               a.native_socket() < number));
        reader fresh(std::move(g), [](reader&) {});
        fresh.start();
        c.context.restart();
        c.context.poll();
        CHECK(fresh.bytes == 0);
        CHECK(waiting.bytes == 0);
        waiting.stream.close();
        fresh.stream.close();
        c.context.restart();
        c.context.run();
    }
}

TEST_CASE("a context that was stopped goes on where it was") {
    serial_context c;
    auto [a, b] = c.pair();
    reader r(std::move(b), [&](reader& self) {
        c.context.stop();
        self.start();
    });
    r.start();
    for (int i = 1; i <= 20; ++i) {
        io::error_code ec;
        a.try_write(asio::buffer("x", 1), ec);
        c.context.restart();
        c.context.run_for(10s);
        CHECK(r.bytes == i);
    }
    r.read.cancel();
    c.context.restart();
    c.context.run_for(10s);
    CHECK(r.code == asio::error::operation_aborted);
    CHECK(c.context.stopped());
}

TEST_CASE("waits that come and go leave no work behind") {
    serial_context c;
    auto [a, b] = c.pair();
    reader r(std::move(b), [](reader&) {});
    for (int i = 0; i < 100; ++i) {
        r.start();
        if (i % 2 == 0) c.context.poll();
        r.read.cancel();
        if (i % 3 == 0) c.context.poll();
        c.context.restart();
        CHECK(c.context.run_for(10s) > 0);
        CHECK(r.code == asio::error::operation_aborted);
        CHECK(context_info::of(c.context).external() == 0);
    }
}
