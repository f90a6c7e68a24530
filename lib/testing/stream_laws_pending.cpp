// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "stream_trial.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <optional>

namespace weft::testing {
namespace {

namespace asio = boost::asio;
using asio::cancellation_type;
using io::error_code;

void never_inside(stream_trial& t) {
    t.send(t.a, "ready");
    t.settle();
    std::array<char, 8> memory;
    completion_record read;
    t.b.async_read_some(asio::buffer(memory), read.handler());
    t.expect(!read.done(), "a read with bytes ready did not complete inside");
    completion_record write;
    t.b.async_write_some(asio::buffer("x", 1), write.handler());
    t.expect(!write.done(), "a write with room did not complete inside");
    completion_record empty;
    t.a.async_read_some(asio::mutable_buffer(), empty.handler());
    t.expect(!empty.done(), "an empty read did not complete inside");
    t.wait(read);
    t.wait(write);
    t.wait(empty);
    completion_record end;
    t.b.async_shutdown_send(end.code_handler());
    t.expect(!end.done(), "a shutdown did not complete inside");
    t.wait(end);
}

void second_read(stream_trial& t) {
    std::array<char, 8> memory;
    std::array<char, 8> other;
    completion_record first;
    completion_record second;
    t.b.async_read_some(asio::buffer(memory), first.handler());
    t.b.async_read_some(asio::buffer(other), second.handler());
    t.expect(!second.done(), "refused by post");
    t.wait(second);
    t.expect(second, asio::error::already_started, 0);
    t.expect(!first.done(), "the first goes on");
    t.send(t.a, "abc");
    t.wait(first);
    t.expect(first, {}, 3);
}

void second_read_ready(stream_trial& t) {
    t.send(t.a, "abcdef");
    t.settle();
    std::array<char, 3> memory;
    std::array<char, 3> other;
    completion_record first;
    completion_record second;
    t.b.async_read_some(asio::buffer(memory), first.handler());
    t.b.async_read_some(asio::buffer(other), second.handler());
    t.wait(second);
    t.wait(first);
    t.expect(first, {}, 3);
    t.expect(second, asio::error::already_started, 0);
    t.expect_text(t.b, "def");
}

void second_write(stream_trial& t) {
    completion_record first;
    const std::size_t taken = t.stick(t.a, first);
    completion_record second;
    t.a.async_write_some(asio::buffer("x", 1), second.handler());
    t.wait(second);
    t.expect(second, asio::error::already_started, 0);
    completion_record end;
    t.a.async_shutdown_send(end.code_handler());
    t.wait(end);
    t.expect(end, asio::error::already_started);
    t.drain(t.b, taken);
    t.wait(first);
    t.expect(first, {});
}

void read_beside_write(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record read;
    t.a.async_read_some(asio::buffer(memory), read.handler());
    completion_record write;
    const std::size_t taken = t.stick(t.a, write);
    t.expect(!read.done(), "the read waits");
    t.send(t.b, "in");
    t.wait(read);
    t.expect(read, {}, 2);
    t.drain(t.b, taken);
    t.wait(write);
    t.expect(write, {});
}

void cancel_read_law(stream_trial& t, cancellation_type type) {
    std::array<char, 8> memory;
    asio::cancellation_signal signal;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory),
                        asio::bind_cancellation_slot(signal.slot(), r.handler()));
    t.settle();
    signal.emit(type);
    t.expect(!r.done(), "cancellation completes by post");
    t.wait(r);
    t.expect(r, asio::error::operation_aborted, 0);
    signal.emit(type);
    t.send(t.a, "still here");
    t.expect_text(t.b, "still here");
}
void cancel_read_terminal(stream_trial& t) { cancel_read_law(t, cancellation_type::terminal); }
void cancel_read_partial(stream_trial& t) { cancel_read_law(t, cancellation_type::partial); }
void cancel_read_total(stream_trial& t) { cancel_read_law(t, cancellation_type::total); }

void cancel_many_reads(stream_trial& t) {
    std::string text;
    std::string got;
    std::array<char, 3> memory;
    for (int i = 0; i < 400; ++i) {
        asio::cancellation_signal signal;
        completion_record r;
        t.b.async_read_some(asio::buffer(memory),
                            asio::bind_cancellation_slot(signal.slot(), r.handler()));
        if (i % 3 != 0) {
            const std::string piece = std::to_string(i);
            t.send(t.a, piece);
            text += piece;
        }
        if (i % 2 == 0) t.settle();
        if (!r.done()) signal.emit(cancellation_type::terminal);
        t.wait(r);
        t.expect(!r.code || r.code == asio::error::operation_aborted, "bytes or aborted");
        got.append(memory.data(), r.bytes);
    }
    const std::string rest = text.substr(got.size());
    t.expect(got == text.substr(0, got.size()), "no byte lost or doubled");
    t.expect_text(t.b, rest);
}

void cancel_write_law(stream_trial& t) {
    // A write of its own, so that cancelling is ours: stick leaves one pending, which drain lets
    // go.
    completion_record stuck;
    const std::size_t taken = t.stick(t.a, stuck);
    t.drain(t.b, taken);
    t.wait(stuck);
    std::size_t unread = stuck.bytes;
    std::string block(64 * 1024, 'w');
    asio::cancellation_signal signal;
    completion_record r;
    for (;;) {
        r = completion_record();
        t.a.async_write_some(asio::buffer(block),
                             asio::bind_cancellation_slot(signal.slot(), r.handler()));
        for (int i = 0; i < 16 && !r.done(); ++i) t.settle();
        if (!r.done()) break;
        t.expect(r, {});
        unread += r.bytes;
    }
    signal.emit(cancellation_type::total);
    t.settle();
    t.expect(!r.done(), "total cancellation does not end a write: its effect could not be undone");
    signal.emit(cancellation_type::terminal);
    t.expect(!r.done(), "cancellation completes by post");
    t.wait(r);
    t.expect(r, asio::error::operation_aborted, 0);
    completion_record later;
    t.a.async_write_some(asio::buffer("x", 1), later.handler());
    t.wait(later);
    t.expect(later, asio::error::broken_pipe, 0);
    t.drain(t.b, unread);
    t.expect_end(t.b, asio::error::eof);
    if (t.options.half_close) {
        t.send(t.b, "reading goes on");
        t.expect_text(t.a, "reading goes on");
    }
}

void cancel_stream(stream_trial& t) {
    std::array<char, 8> memory;
    t.a.cancel();  // nothing is pending
    completion_record r;
    t.a.async_read_some(asio::buffer(memory), r.handler());
    completion_record w;
    t.stick(t.a, w);
    t.a.cancel();
    t.expect(!r.done() && !w.done(), "cancel completes by post");
    t.wait(r);
    t.expect(r, asio::error::operation_aborted, 0);
    t.wait(w);
    t.expect(w, asio::error::operation_aborted, 0);
    t.send(t.b, "not lost");
    t.expect_text(t.a, "not lost");
}

void cancel_late(stream_trial& t) {
    t.send(t.a, "abc");
    t.settle();
    std::array<char, 8> memory;
    asio::cancellation_signal signal;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory),
                        asio::bind_cancellation_slot(signal.slot(), r.handler()));
    signal.emit(cancellation_type::terminal);
    t.wait(r);
    // Either the bytes were on their way, or they are still there.
    if (r.code == asio::error::operation_aborted)
        t.expect_text(t.b, "abc");
    else
        t.expect(r, {}, 3);
    signal.emit(cancellation_type::terminal);
    t.settle();
    t.expect(r.calls == 1, "one completion only");
}

void destroy_pending_read(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    t.settle();
    {
        io::stream gone = std::move(t.b);
    }
    t.expect(!r.done(), "not inside the destructor");
    t.wait(r);
    t.expect(r, asio::error::operation_aborted, 0);
}

void destroy_pending_write(stream_trial& t) {
    completion_record r;
    t.stick(t.a, r);
    {
        io::stream gone = std::move(t.a);
    }
    t.expect(!r.done(), "not inside the destructor");
    t.wait(r);
    t.expect(r, asio::error::operation_aborted, 0);
}

void destroy_late(stream_trial& t) {
    t.send(t.a, "abc");
    t.settle();
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    {
        io::stream gone = std::move(t.b);
    }
    t.wait(r);
    t.expect(r, asio::error::operation_aborted);
}

void move_pending(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    io::stream moved = std::move(t.b);
    io::stream again;
    again = std::move(moved);
    t.settle();
    t.send(t.a, "abc");
    t.wait(r);
    t.expect(r, {}, 3);
    t.send(again, "back");
    t.expect_text(t.a, "back");
}

void assign_over_pending(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    auto [c, d] = t.pair();
    t.b = std::move(d);
    t.expect(!r.done(), "not inside the assignment");
    t.wait(r);
    t.expect(r, asio::error::operation_aborted, 0);
    t.send(c, "new");
    t.expect_text(t.b, "new");
}

void abort_pending(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record read;
    t.a.async_read_some(asio::buffer(memory), read.handler());
    completion_record write;
    t.stick(t.a, write);
    t.a.abort();
    t.expect(!read.done() && !write.done(), "not inside abort");
    t.wait([&] { return read.done() && write.done(); });
    t.expect(read, asio::error::operation_aborted, 0);
    t.expect(write, asio::error::operation_aborted, 0);
    t.a.abort();
}

void destroy_in_completion(stream_trial& t) {
    auto owned = std::make_unique<io::stream>(std::move(t.b));
    std::array<char, 8> memory;
    completion_record r;
    io::stream& b = *owned;
    b.async_read_some(asio::buffer(memory),
                      [&, done = r.handler()](error_code ec, std::size_t n) mutable {
                          owned.reset();
                          done(ec, n);
                      });
    t.send(t.a, "abc");
    t.wait(r);
    t.expect(r, {}, 3);
    t.expect_end(t.a, asio::error::eof);
}

/// Reads again and again with the same operation, from its own completion.
struct repeating_reader {
    explicit repeating_reader(io::stream& s) : stream(s) {}
    void on_read(error_code ec, std::size_t n) {
        ++calls;
        code = ec;
        got.append(memory.data(), n);
        if (!ec) start();
    }
    void start() { stream.start_read(buffers, read); }

    io::stream& stream;
    std::array<char, 2> memory{};
    std::array<asio::mutable_buffer, 1> buffers{asio::buffer(memory)};
    io::member_operation<repeating_reader, &repeating_reader::on_read> read{*this};
    std::string got;
    error_code code;
    int calls = 0;
};

void own_operation(stream_trial& t) {
    repeating_reader reader(t.b);
    reader.start();
    t.expect(reader.read.pending(), "pending");
    t.send(t.a, "operations");
    t.wait([&] { return reader.got.size() == 10; });
    t.expect(reader.got == "operations", "the same bytes");
    reader.read.cancel();
    t.expect(!reader.code, "cancel completes by post");
    t.wait([&] { return !!reader.code; });
    t.expect(reader.code == asio::error::operation_aborted && !reader.read.pending(),
             "aborted, idle");
    reader.read.cancel();
    t.settle();
}

void frees_handlers(stream_trial& t) {
    auto alive = std::make_shared<int>(0);
    std::array<char, 8> memory;
    {
        asio::io_context other(1);
        auto [c, d] = t.pair(other);
        // The handler owns the streams, as a coroutine does.
        auto owner = std::make_shared<stream_pair>(std::move(c), std::move(d));
        owner->first.async_read_some(asio::buffer(memory),
                                     [alive, owner](error_code, std::size_t) { ++*alive; });
        owner->second.async_read_some(asio::buffer(memory),
                                      [alive, owner](error_code, std::size_t) { ++*alive; });
        other.restart();
        other.poll();
        // One that is on its way, too.
        owner->first.async_write_some(asio::buffer("x", 1),
                                      [alive, owner](error_code, std::size_t) { ++*alive; });
    }
    t.expect(alive.use_count() == 1, "a context that ends frees handlers and streams");
    t.expect(*alive == 0, "and calls none of them");
}

void counts_as_work(stream_trial& t) {
    t.settle();
    t.context().restart();
    t.context().run();  // returns: idle streams are no work
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    for (int i = 0; i < 4; ++i) t.settle();
    t.expect(!t.context().stopped(), "a pending read keeps the context running");
    t.b = io::stream();
    t.context().restart();
    t.context().run();
    t.expect(r, asio::error::operation_aborted, 0);
}

constexpr stream_law laws[] = {
    {"nothing completes inside the call that started it", never_inside},
    {"a second read beside a pending one is refused", second_read},
    {"a second read beside one whose bytes are ready is refused", second_read_ready},
    {"a second write or a shutdown beside a pending write is refused", second_write},
    {"a read and a write may be pending together", read_beside_write},
    {"a read cancelled with terminal loses no byte", cancel_read_terminal},
    {"a read cancelled with partial loses no byte", cancel_read_partial},
    {"a read cancelled with total loses no byte", cancel_read_total},
    {"cancelling reads at odd moments loses and doubles no byte", cancel_many_reads},
    {"a cancelled write wrote nothing and closes the write side", cancel_write_law},
    {"cancel ends what is pending in both directions, by post", cancel_stream},
    {"cancelling an operation whose result is on its way is harmless", cancel_late},
    {"destroying a stream aborts its pending read by post", destroy_pending_read},
    {"destroying a stream aborts its pending write by post", destroy_pending_write},
    {"destroying a stream aborts even a result on its way", destroy_late},
    {"a stream moves with a pending read", move_pending},
    {"assigning over a stream aborts what it had pending", assign_over_pending},
    {"abort ends pending operations by post", abort_pending},
    {"a stream may be destroyed in its own completion", destroy_in_completion},
    {"an operation object can be started again from its own completion", own_operation},
    {"a context that is destroyed frees pending handlers and their streams", frees_handlers},
    {"a pending operation is work, an idle stream is not", counts_as_work},
};

}  // namespace

std::span<const stream_law> pending_laws() { return laws; }

}  // namespace weft::testing
