// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "stream_trial.hpp"
#include <weft/core/failure.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <future>

namespace weft::testing {
namespace {

namespace asio = boost::asio;
using io::error_code;

static_assert(std::is_nothrow_move_constructible_v<io::stream>);
static_assert(!std::is_copy_constructible_v<io::stream>);

void own_executor(stream_trial& t) {
    if (t.options.same_executor)
        t.expect(t.a.get_executor() == t.executor(), "get_executor is the one it was made with");
    t.expect(&t.a.lowest_layer() == &t.a, "a stream is its own lowest layer");
    std::array<char, 8> memory;
    bool inside = false;
    bool done = false;
    auto context = static_cast<asio::io_context&>(t.context()).get_executor();
    t.b.async_read_some(asio::buffer(memory), [&](error_code, std::size_t) {
        inside = context.running_in_this_thread();
        done = true;
    });
    t.send(t.a, "x");
    t.wait([&] { return done; });
    t.expect(inside, "completes on the stream's executor");
}

void other_executor(stream_trial& t) {
    asio::io_context other(1);
    std::array<char, 8> memory;
    bool done = false;
    bool inside = false;
    t.b.async_read_some(asio::buffer(memory),
                        asio::bind_executor(other.get_executor(), [&](error_code, std::size_t) {
                            inside = other.get_executor().running_in_this_thread();
                            done = true;
                        }));
    other.poll();
    t.expect(!other.stopped(), "a pending operation is work for the handler's executor too");
    t.send(t.a, "x");
    t.settle();
    t.expect(!done, "not on the stream's executor");
    while (!done) {
        t.settle();
        other.restart();
        other.poll();
    }
    t.expect(inside, "completes on the associated executor");
}

void strand_executor(stream_trial& t) {
    auto strand = asio::make_strand(t.executor());
    std::array<char, 8> memory;
    bool inside = false;
    bool done = false;
    t.b.async_read_some(asio::buffer(memory),
                        asio::bind_executor(strand, [&](error_code, std::size_t) {
                            inside = strand.running_in_this_thread();
                            done = true;
                        }));
    t.send(t.a, "x");
    t.wait([&] { return done; });
    t.expect(inside, "completes in the strand");
}

/// Counts blocks out and in.
template <class T>
struct counting_allocator {
    using value_type = T;
    int* live;
    int* total;
    counting_allocator(int* l, int* s) : live(l), total(s) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) : live(other.live), total(other.total) {}
    T* allocate(std::size_t n) {
        ++*live;
        ++*total;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        --*live;
        std::allocator<T>().deallocate(p, n);
    }
    friend bool operator==(const counting_allocator&, const counting_allocator&) = default;
};

void allocator(stream_trial& t) {
    int live = 0;
    int total = 0;
    int live_inside = -1;
    std::array<char, 8> memory;
    t.b.async_read_some(asio::buffer(memory),
                        asio::bind_allocator(counting_allocator<char>(&live, &total),
                                             [&](error_code, std::size_t) { live_inside = live; }));
    t.expect(total >= 1, "the associated allocator was used");
    t.send(t.a, "x");
    t.wait([&] { return live_inside != -1; });
    t.expect(live_inside == 0, "memory is given back before the handler runs");
}

void futures(stream_trial& t) {
    std::array<char, 8> memory;
    std::future<std::size_t> read = t.b.async_read_some(asio::buffer(memory), asio::use_future);
    std::future<std::size_t> write = t.a.async_write_some(asio::buffer("abc", 3), asio::use_future);
    t.wait([&] { return read.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    t.wait([&] { return write.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    t.expect(read.get() == 3 && write.get() == 3, "use_future works");
    t.a = io::stream();
    std::future<std::size_t> end = t.b.async_read_some(asio::buffer(memory), asio::use_future);
    t.wait([&] { return end.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    bool threw = false;
    try {
        static_cast<void>(end.get());
    } catch (const boost::system::system_error& e) {
        threw = e.code() == asio::error::eof;
    }
    t.expect(threw, "and throws the error");
}

void deferred(stream_trial& t) {
    std::array<char, 8> memory;
    auto later = t.b.async_read_some(asio::buffer(memory), asio::deferred);
    io::stream moved = std::move(t.b);
    t.send(t.a, "abc");
    t.settle();
    completion_record r;
    std::move(later)(r.handler());
    t.wait(r);
    t.expect(r, {}, 3);
}

void run(stream_trial& t, awaitable<void> body) {
    bool done = false;
    std::exception_ptr failed;
    asio::co_spawn(t.context(), std::move(body), [&](std::exception_ptr e) {
        done = true;
        failed = e;
    });
    t.wait([&] { return done; });
    if (failed) std::rethrow_exception(failed);
}

awaitable<void> awaiting(stream_trial& t) {
    std::array<char, 8> memory;
    const std::size_t wrote =
        co_await t.a.async_write_some(asio::buffer("abc", 3), asio::use_awaitable);
    const std::size_t read =
        co_await t.b.async_read_some(asio::buffer(memory), asio::use_awaitable);
    t.expect(wrote == 3 && read == 3, "use_awaitable works");
    const std::size_t again = co_await t.b.async_write_some(asio::buffer("de", 2), asio::deferred);
    auto [ec, n] =
        co_await t.a.async_read_some(asio::buffer(memory), asio::as_tuple(asio::use_awaitable));
    t.expect(again == 2 && n == 2 && !ec, "deferred and as_tuple work");
    co_await t.a.async_shutdown_send(asio::use_awaitable);
    auto [end, none] =
        co_await t.b.async_read_some(asio::buffer(memory), asio::as_tuple(asio::deferred));
    t.expect(end == asio::error::eof && none == 0, "end of file");
}
void coroutine_tokens(stream_trial& t) { run(t, awaiting(t)); }

awaitable<void> members(stream_trial& t) {
    co_await t.a.write(bytes::literal("ping"));
    std::array<char, 16> memory;
    std::size_t n = co_await t.b.read(asio::buffer(memory));
    t.expect(std::string_view(memory.data(), n) == "ping", "read gives what was written");
    const std::string one = "one ";
    const std::string two = "two";
    std::vector<asio::const_buffer> parts(20, asio::buffer(one));
    parts.push_back(asio::const_buffer());
    parts.push_back(asio::buffer(two));
    co_await t.b.write(io::const_buffers(parts));
    std::string got;
    while (got.size() < 83) {
        n = co_await t.a.read(asio::buffer(memory));
        got.append(memory.data(), n);
    }
    t.expect(got.ends_with("one two") && got.size() == 83, "many buffers are written in order");
    co_await t.a.write(asio::buffer(one));
    co_await t.a.shutdown_send();
    n = co_await t.b.read(asio::buffer(memory));
    t.expect(n == 4, "the rest");
    n = co_await t.b.read(asio::buffer(memory));
    t.expect(n == 0, "read gives 0 at the end of file");
    bool refused = false;
    try {
        co_await t.a.write(asio::buffer(one));
    } catch (const failure& f) {
        refused = f.code() == asio::error::broken_pipe;
    }
    t.expect(refused, "write throws a failure that keeps its code");
}
void coroutine_members(stream_trial& t) { run(t, members(t)); }

void large_write(stream_trial& t) {
    const std::string text(3 * 1024 * 1024, 'z');
    bool done = false;
    asio::co_spawn(
        t.context(),
        [](io::stream& s, const std::string& data) -> awaitable<void> {
            co_await s.write(asio::buffer(data));
        }(t.a, text),
        [&](std::exception_ptr e) { done = !e; });
    t.drain(t.b, text.size());
    t.wait([&] { return done; });
}

void composed(stream_trial& t) {
    const std::string text(500 * 1024, 'c');
    std::string got(text.size(), '-');
    completion_record w;
    completion_record r;
    asio::async_write(t.a, asio::buffer(text), w.handler());
    asio::async_read(t.b, asio::buffer(got), r.handler());
    t.wait([&] { return w.done() && r.done(); });
    t.expect(w, {}, text.size());
    t.expect(r, {}, text.size());
    t.expect(got == text, "the same bytes");
    std::array<asio::const_buffer, 40> many;
    many.fill(asio::buffer("ab", 2));
    completion_record w2;
    asio::async_write(t.a, many, w2.handler());
    std::string line;
    completion_record r2;
    asio::async_read_until(t.b, asio::dynamic_buffer(line), "\n", r2.handler());
    t.wait(w2);
    t.expect(w2, {}, 80);
    t.send(t.a, "\n");
    t.wait(r2);
    t.expect(r2, {}, 81);
}

void composed_destroyed(stream_trial& t) {
    const std::string text(32 * 1024 * 1024, 'c');
    completion_record w;
    asio::async_write(t.a, asio::buffer(text), w.handler());
    for (int i = 0; i < 32; ++i) t.settle();
    t.expect(!w.done(), "waits for a reader");
    io::stream gone = std::move(t.a);
    t.a = io::stream();
    gone.abort();
    t.wait(w);
    t.expect(w, asio::error::operation_aborted);
}

void throwing_handler(stream_trial& t) {
    std::array<char, 8> memory;
    t.b.async_read_some(asio::buffer(memory), [](error_code, std::size_t) { throw 42; });
    completion_record other;
    auto [c, d] = t.pair();
    d.async_read_some(asio::buffer(memory), other.handler());
    t.send(c, "y");
    t.settle();
    bool threw = false;
    completion_record w;
    t.a.async_write_some(asio::buffer("x", 1), w.handler());
    try {
        t.wait([&] { return false; });
    } catch (int i) {
        threw = i == 42;
    }
    t.expect(threw, "what a handler throws leaves run()");
    t.wait([&] { return other.done() && w.done(); });
    t.send(t.a, "z");
    t.expect_text(t.b, "z");
}

constexpr stream_law laws[] = {
    {"handlers without an executor complete on the stream's", own_executor},
    {"handlers complete on their associated executor, which has work meanwhile", other_executor},
    {"handlers complete in their strand", strand_executor},
    {"the associated allocator is used and served before the handler runs", allocator},
    {"use_future works", futures},
    {"a deferred operation survives a move of the stream", deferred},
    {"use_awaitable, deferred and as_tuple work", coroutine_tokens},
    {"the coroutine members work", coroutine_members},
    {"the coroutine write waits for its reader", large_write},
    {"Asio's composed operations work", composed},
    {"a composed write ends with its stream", composed_destroyed},
    {"what a handler throws leaves run() and harms nobody else", throwing_handler},
};

}  // namespace

std::span<const stream_law> asio_laws() { return laws; }

}  // namespace weft::testing
