// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "stream_trial.hpp"

#include <array>

namespace weft::testing {
namespace {

namespace asio = boost::asio;
using io::error_code;

void shutdown(stream_trial& t, io::stream& s) {
    completion_record r;
    s.async_shutdown_send(r.code_handler());
    t.wait(r);
    t.expect(r, {});
}

/// Writes to `s` until it fails; with what.
error_code write_until_failure(stream_trial& t, io::stream& s) {
    for (int i = 0; i < 100000; ++i) {
        completion_record r;
        s.async_write_some(asio::buffer("wwww", 4), r.handler());
        t.wait(r);
        if (r.code) {
            t.expect(r.bytes == 0, "an error with bytes");
            return r.code;
        }
        t.settle();
    }
    return {};
}

/// Reads from `s` until it fails; with what.
error_code read_until_failure(stream_trial& t, io::stream& s) {
    std::array<char, 4096> memory;
    for (;;) {
        completion_record r;
        s.async_read_some(asio::buffer(memory), r.handler());
        t.wait(r);
        if (r.code) return r.code;
    }
}

void close_drains(stream_trial& t) {
    t.send(t.a, "last words");
    t.a = io::stream();
    t.settle();
    t.expect_text(t.b, "last words");
    t.expect_end(t.b, asio::error::eof);
}

void eof_stays(stream_trial& t) {
    t.a = io::stream();
    for (int i = 0; i < 3; ++i) t.expect_end(t.b, asio::error::eof);
    completion_record r;
    t.b.async_read_some(asio::mutable_buffer(), r.handler());
    t.wait(r);
    t.expect(r, {}, 0);
}

void close_ends_waiting_read(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    t.settle();
    t.a = io::stream();
    t.wait(r);
    t.expect(r, asio::error::eof, 0);
}

void half_close(stream_trial& t, io::stream& from, io::stream& to) {
    if (!t.options.half_close) return;
    t.send(from, "question");
    shutdown(t, from);
    t.expect_text(to, "question");
    t.expect_end(to, asio::error::eof);
    t.send(to, "long answer");
    t.expect_text(from, "long answer");
    shutdown(t, to);
    t.expect_end(from, asio::error::eof);
}
void half_close_there(stream_trial& t) { half_close(t, t.a, t.b); }
void half_close_back(stream_trial& t) { half_close(t, t.b, t.a); }

void shutdown_twice(stream_trial& t) {
    shutdown(t, t.a);
    shutdown(t, t.a);
    t.expect_end(t.b, asio::error::eof);
}

void write_after_shutdown(stream_trial& t) {
    shutdown(t, t.a);
    completion_record r;
    t.a.async_write_some(asio::buffer("x", 1), r.handler());
    t.wait(r);
    t.expect(r, asio::error::broken_pipe, 0);
    error_code ec;
    const std::size_t n = t.a.try_write(asio::buffer("x", 1), ec);
    t.expect(n == 0 && (ec == asio::error::broken_pipe || ec == asio::error::would_block),
             "try_write after shutdown_send: broken_pipe");
}

void try_shutdown(stream_trial& t) {
    error_code ec;
    if (!t.a.try_shutdown_send(ec)) {
        t.expect(ec == asio::error::would_block, "done, or would_block");
        shutdown(t, t.a);
    } else {
        t.expect(!ec, "done without an error");
    }
    t.expect_end(t.b, asio::error::eof);
}

void shutdown_ends_waiting_read(stream_trial& t) {
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    t.settle();
    shutdown(t, t.a);
    t.wait(r);
    t.expect(r, asio::error::eof, 0);
}

void announced_shutdown(stream_trial& t) {
    t.a.end_follows();
    t.send(t.a, "last");
    t.send(t.a, " words");
    shutdown(t, t.a);
    t.expect_text(t.b, "last words");
    t.expect_end(t.b, asio::error::eof);
}

void announced_close(stream_trial& t) {
    t.a.end_follows();
    t.send(t.a, "last words");
    t.a = io::stream();
    t.settle();
    t.expect_text(t.b, "last words");
    t.expect_end(t.b, asio::error::eof);
}

void unread_resets(stream_trial& t) {
    if (!t.options.resets) return;
    t.send(t.a, "nobody reads this");
    t.settle();
    t.b = io::stream();
    t.expect(read_until_failure(t, t.a) == asio::error::connection_reset,
             "closing with unread input resets");
}

void abort_resets(stream_trial& t) {
    if (!t.options.resets) return;
    t.a.abort();
    t.expect_end(t.b, asio::error::connection_reset);
}

void abort_resets_waiting_read(stream_trial& t) {
    if (!t.options.resets) return;
    std::array<char, 8> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    t.settle();
    t.a.abort();
    t.wait(r);
    t.expect(r, asio::error::connection_reset, 0);
}

void abort_ends_waiting_write(stream_trial& t) {
    if (!t.options.resets) return;
    completion_record r;
    t.stick(t.a, r);
    t.b.abort();
    t.wait(r);
    t.expect(r.code == asio::error::connection_reset || r.code == asio::error::broken_pipe,
             "a waiting write learns of the reset");
}

void after_abort(stream_trial& t) {
    t.send(t.b, "unread");
    t.a.abort();
    std::array<char, 8> memory;
    completion_record r;
    t.a.async_read_some(asio::buffer(memory), r.handler());
    t.wait(r);
    t.expect(r, asio::error::connection_aborted, 0);
    completion_record w;
    t.a.async_write_some(asio::buffer("x", 1), w.handler());
    t.wait(w);
    t.expect(w, asio::error::connection_aborted, 0);
    completion_record end;
    t.a.async_shutdown_send(end.code_handler());
    t.wait(end);
    t.expect(end, asio::error::connection_aborted);
    error_code ec;
    t.expect(t.a.try_read(asio::buffer(memory), ec) == 0 && ec, "try_read fails");
    t.expect(t.a.try_write(asio::buffer(memory), ec) == 0 && ec, "try_write fails");
}

void abort_pending_write_loses_it(stream_trial& t) {
    completion_record r;
    t.stick(t.a, r);
    t.a.abort();
    t.wait(r);
    const error_code end = read_until_failure(t, t.b);
    if (t.options.resets)
        t.expect(end == asio::error::connection_reset, "the reader sees that it was cut off");
}

void write_to_closed(stream_trial& t) {
    t.b = io::stream();
    const error_code ec = write_until_failure(t, t.a);
    t.expect(ec == asio::error::broken_pipe || ec == asio::error::connection_reset,
             "writing to a closed peer fails with broken_pipe (or the reset that it caused)");
    completion_record again;
    t.a.async_write_some(asio::buffer("x", 1), again.handler());
    t.wait(again);
    t.expect(again.code == asio::error::broken_pipe || again.code == asio::error::connection_reset,
             "and again");
}

void close_after_answer(stream_trial& t) {
    // A server that reads everything and closes never destroys its answer.
    t.send(t.a, "request");
    t.expect_text(t.b, "request");
    const std::string answer(300 * 1024, 'r');
    std::size_t sent = 0;
    std::size_t got = 0;
    std::vector<char> memory(8192);
    while (got < answer.size()) {
        if (t.b && sent == answer.size()) t.b = io::stream();
        if (sent < answer.size()) {
            completion_record w;
            t.b.async_write_some(asio::buffer(answer.data() + sent, answer.size() - sent),
                                 w.handler());
            // Read until the write is through.
            while (!w.done()) {
                completion_record r;
                t.a.async_read_some(asio::buffer(memory), r.handler());
                t.wait(r);
                t.expect(r, {});
                got += r.bytes;
                t.settle();
            }
            t.expect(w, {});
            sent += w.bytes;
            continue;
        }
        completion_record r;
        t.a.async_read_some(asio::buffer(memory), r.handler());
        t.wait(r);
        t.expect(r, {});
        got += r.bytes;
    }
    t.b = io::stream();
    t.expect_end(t.a, asio::error::eof);
}

constexpr stream_law laws[] = {
    {"closing lets the peer read the rest, then end of file", close_drains},
    {"end of file stays", eof_stays},
    {"closing ends the peer's waiting read", close_ends_waiting_read},
    {"half close: the other direction goes on", half_close_there},
    {"half close works from both ends", half_close_back},
    {"shutting down twice is harmless", shutdown_twice},
    {"writing after shutdown_send gives broken_pipe", write_after_shutdown},
    {"try_shutdown_send does it, or says that it would block", try_shutdown},
    {"shutdown_send ends the peer's waiting read", shutdown_ends_waiting_read},
    {"what is written after end_follows arrives, and the end behind it", announced_shutdown},
    {"and so it does when the stream is closed", announced_close},
    {"closing with unread input gives the peer connection_reset", unread_resets},
    {"abort gives the peer connection_reset", abort_resets},
    {"abort ends the peer's waiting read with connection_reset", abort_resets_waiting_read},
    {"abort ends the peer's waiting write", abort_ends_waiting_write},
    {"after abort every operation gives connection_aborted", after_abort},
    {"a message cut off by abort never looks complete", abort_pending_write_loses_it},
    {"writing to a closed peer fails", write_to_closed},
    {"an answer survives the close behind it", close_after_answer},
};

}  // namespace

std::span<const stream_law> ending_laws() { return laws; }

}  // namespace weft::testing
