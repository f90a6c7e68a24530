// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "tls_stream.hpp"

#include <weft/runtime/context.hpp>
#include <weft/tls/error.hpp>

#include <boost/asio/error.hpp>

#include <chrono>
#include <utility>

namespace weft::tls::detail {

namespace asio = boost::asio;
using io::error_code;

namespace {

/// What is asked of the connection below at once: little while it is quiet, for that memory is held
/// while a read waits, and much once it has filled that; from then on less little.
constexpr std::size_t small_fill = 512;
constexpr std::size_t medium_fill = 1024;
constexpr std::size_t large_fill = 32 * 1024;

/// What may be held back for a close_notify that follows at once.
constexpr std::size_t most_held = 16 * 1024;

/// How long the last flight of a stream that was closed may take.
constexpr std::chrono::seconds linger_limit{10};

}  // namespace

tls_stream::limit::limit(tls_stream& s)
    : entry(s.context().deadlines(), s.get_executor(),
            [](entry& e) noexcept { static_cast<limit&>(e).stream.linger_is_over(); }),
      stream(s) {}

tls_stream::tls_stream(io::stream below, std::unique_ptr<engine> e)
    : stream_impl(below),
      below_(std::move(below)),
      engine_(std::move(e)),
      in_kernel_(engine_->sends_in_kernel()),
      quiet_fill_(small_fill),
      fill_size_(small_fill),
      may_wait_(engine_->can_wait() ? engine_->outbox().size() : 0) {}

// Reading
// -------------------------------------------------------------------------------------------------

/// What was received already; would_block when more must come first.
std::size_t tls_stream::read_received(io::mutable_buffers into, error_code& ec) {
    if (aborted_) {
        ec = asio::error::connection_aborted;
        return 0;
    }
    const std::size_t n = engine_->read(into, ec);
    if (ec == asio::error::would_block && input_end_)
        ec = input_end_ == asio::error::eof ? error_code(tls::error::truncated) : input_end_;
    return n;
}

/// The same, and what the connection below has without waiting.
std::size_t tls_stream::read_now(io::mutable_buffers into, error_code& ec) {
    std::size_t n = read_received(into, ec);
    while (ec == asio::error::would_block && try_fill()) n = read_received(into, ec);
    // An alert of ours, or the answer to a key update, does not wait for a write.
    if (ec != asio::error::would_block && engine_->outbox().size() > may_wait_ && !aborted_)
        flush();
    return n;
}

/// True when something is new: input, or its end.
bool tls_stream::try_fill() {
    if (fill_.pending() || input_end_) return false;
    byte_queue& inbox = engine_->inbox();
    error_code ec;
    const asio::mutable_buffer room = inbox.try_prepare(fill_size_);
    if (room.size() == 0) {
        input_end_ = asio::error::no_memory;
        return true;
    }
    const std::size_t n = below_.try_read(room, ec);
    if (n > 0) {
        note_fill(n, room.size());
        return true;
    }
    inbox.release();
    if (ec == asio::error::would_block) return false;
    input_end_ = ec;
    return true;
}

void tls_stream::note_fill(std::size_t n, std::size_t room) {
    engine_->received(n);
    if (n == room) quiet_fill_ = medium_fill;
    fill_size_ = n == room ? large_fill : quiet_fill_;
}

/// Waits for input. Whoever waits has nothing left to say, but for tickets: those go with the first
/// write. False: there is no memory for it.
bool tls_stream::fill() {
    if (engine_->outbox().size() > may_wait_) flush();
    if (fill_.pending()) return true;  // that of a cancelled read serves this one too
    fill_cancelled_ = false;
    room_ = engine_->inbox().try_prepare(fill_size_);
    if (room_.size() == 0) {
        input_end_ = asio::error::no_memory;
        return false;
    }
    below_.start_read(io::mutable_buffers(&room_, 1), fill_);
    return true;
}

void tls_stream::on_fill(error_code ec, std::size_t n) {
    if (n > 0) note_fill(n, room_.size());
    const bool taken_back = ec == asio::error::operation_aborted && fill_cancelled_;
    if (ec && !taken_back) input_end_ = ec;
    if (gone_) return maybe_free();
    if (!reader_) {
        engine_->inbox().release();
        return;
    }
    error_code result;
    const std::size_t got = read_now(into_, result);
    if (result == asio::error::would_block) {
        if (fill()) return;
        result = input_end_;
    }
    std::exchange(reader_, nullptr)->deliver(result, got);
}

std::size_t tls_stream::try_read(io::mutable_buffers into, error_code& ec) noexcept {
    const std::size_t n = read_now(into, ec);
    if (!fill_.pending()) engine_->inbox().release();
    return n;
}

void tls_stream::start_read(io::mutable_buffers into, io::operation& op) {
    error_code ec;
    // Who has just tried need not ask the connection below again.
    const std::size_t n =
        below_.impl().may_read_now() ? read_now(into, ec) : read_received(into, ec);
    if (ec != asio::error::would_block) {
        if (!fill_.pending()) engine_->inbox().release();
        return post(op, ec, n);
    }
    if (!fill()) return post(op, input_end_, 0);
    reader_ = &op;
    into_ = into;
}

void tls_stream::cancel_read() noexcept {
    if (!reader_) return;
    post(*std::exchange(reader_, nullptr), asio::error::operation_aborted, 0);
    fill_cancelled_ = true;
    fill_.cancel();
}

bool tls_stream::may_read_now() const noexcept {
    return engine_->may_read() || input_end_ || aborted_ || below_.impl().may_read_now();
}

// Writing
// -------------------------------------------------------------------------------------------------

std::size_t tls_stream::write_now(io::const_buffers from, error_code& ec) {
    if (aborted_ || closing_ || write_error_) {
        ec = aborted_   ? error_code(asio::error::connection_aborted)
             : closing_ ? error_code(asio::error::broken_pipe)
                        : write_error_;
        return 0;
    }
    if (is_sending()) {
        ec = engine_->error() ? engine_->error() : error_code(asio::error::would_block);
        return 0;
    }
    if (in_kernel_) {
        ec = engine_->error();
        if (ec) return 0;
        const std::size_t n = below_.try_write(from, ec);
        if (ec && ec != asio::error::would_block) writing_failed(ec);  // it would not always say so
        return n;
    }
    const std::size_t n = engine_->write(from, ec);
    // Of a session that has failed: its alert.
    if (!end_follows_ || ec || engine_->outbox().size() > most_held) flush();
    if (!ec) ec = write_error_;
    return ec ? 0 : n;
}

/// Sends what is in the outbox, as far as the connection below takes it; the rest follows when it
/// does.
void tls_stream::flush() {
    if (is_sending() || write_error_ || aborted_ || !below_) return;
    if (in_kernel_) return flush_control();
    may_wait_ = 0;
    for (;;) {
        if (sending_.empty()) sending_.swap(engine_->outbox());
        if (sending_.empty()) break;
        error_code ec;
        const std::size_t n = below_.try_write(sending_.buffer(), ec);
        sending_.consume(n);
        if (n > 0) continue;
        if (ec != asio::error::would_block) return writing_failed(ec);
        flight_ = sending_.buffer();
        below_.start_write(io::const_buffers(&flight_, 1), flush_);
        return;
    }
    sending_.release();
    engine_->outbox().release();
    if (closing_ && !finished_ && !gone_) finish();
}

/// Control records go by themselves, unless the socket takes nothing. Who closes waits until it
/// has room again: else what the system has encrypted, and TCP not taken, would be lost.
void tls_stream::flush_control() {
    if (!closing_) return;
    if (engine_->is_blocked()) engine_->close();
    if (engine_->is_blocked() || (gone_ && !overdue_ && !engine_->has_room()))
        return wait_writable();
    if (!finished_ && !gone_) finish();
}

void tls_stream::wait_writable() {
    if (!is_sending()) below_.impl().begin_wait_writable(flush_);
}

void tls_stream::on_flush(error_code ec, std::size_t n) {
    sending_.consume(n);
    if (ec) writing_failed(ec);
    flush();
    if (gone_) return leave();
    serve_writer();
}

/// Nothing goes out any more. Who shuts down need not wait for what was in front of that.
void tls_stream::writing_failed(error_code ec) {
    if (!write_error_) write_error_ = ec;
    sending_.clear();
    engine_->outbox().clear();
    if (closing_ && !finished_ && !gone_) finish();
}

std::size_t tls_stream::try_write(io::const_buffers from, error_code& ec) noexcept {
    return write_now(from, ec);
}

void tls_stream::start_write(io::const_buffers from, io::operation& op) {
    error_code ec;
    const std::size_t n = write_now(from, ec);
    if (ec != asio::error::would_block) return post(op, ec, n);
    writer_ = &op;
    writer_shuts_down_ = false;
    from_ = from;
    if (in_kernel_) wait_writable();
}

/// Something below has ended: whoever waits to write may go on.
void tls_stream::serve_writer() {
    if (!writer_) return;
    error_code ec;
    std::size_t n = 0;
    if (writer_shuts_down_) {
        if (!finished(ec)) return;
    } else {
        n = write_now(from_, ec);
        if (ec == asio::error::would_block) {
            if (in_kernel_) wait_writable();
            return;
        }
    }
    std::exchange(writer_, nullptr)->deliver(ec, n);
}

void tls_stream::cancel_write() noexcept {
    if (!writer_) return;
    post(*std::exchange(writer_, nullptr), asio::error::operation_aborted, 0);
    // Nothing of it was written, and nothing will be: the write side closes behind what was.
    error_code ec;
    try_shutdown_send(ec);
}

void tls_stream::begin_closing() noexcept {
    closing_ = true;
    engine_->close();
    below_.end_follows();
}

bool tls_stream::try_shutdown_send(error_code& ec) noexcept {
    if (aborted_) {
        ec = asio::error::connection_aborted;
        return false;
    }
    if (!closing_) {
        begin_closing();
        flush();
        if (write_error_ && !finished_) finish();  // it had failed before
    }
    if (finished(ec)) return !ec;
    ec = asio::error::would_block;
    return false;
}

/// The end of file, below: nothing is in front of it any more.
void tls_stream::finish() {
    if (finish_.pending()) return;
    error_code ec;
    // A FIN would overtake what the system still holds back: close_notify is the end.
    if (in_kernel_ || below_.try_shutdown_send(ec) || ec != asio::error::would_block) {
        finished_ = true;
        finish_error_ = ec;
        return;
    }
    below_.start_shutdown_send(finish_);
}

void tls_stream::on_finish(error_code ec, std::size_t) {
    finished_ = true;
    finish_error_ = ec;
    if (gone_) return leave();
    serve_writer();
}

/// Whether shutting down has come to its end, and which.
bool tls_stream::finished(error_code& ec) const noexcept {
    if (!finished_) return false;
    ec = write_error_ ? write_error_ : engine_->error();
    if (!ec) ec = finish_error_;
    return true;
}

void tls_stream::start_shutdown_send(io::operation& op) {
    error_code ec;
    try_shutdown_send(ec);
    if (ec != asio::error::would_block) return post(op, ec, 0);
    writer_ = &op;
    writer_shuts_down_ = true;
}

// The end
// -------------------------------------------------------------------------------------------------

void tls_stream::end_pending() noexcept {
    if (reader_) post(*std::exchange(reader_, nullptr), asio::error::operation_aborted, 0);
    if (writer_) post(*std::exchange(writer_, nullptr), asio::error::operation_aborted, 0);
}

void tls_stream::abort() noexcept {
    if (aborted_) return;
    aborted_ = true;
    end_pending();
    below_.abort();
}

/// Whether the peer has sent something that nobody has read. Its tickets and its close_notify are
/// not meant for anybody: they are read here, or closing with them unread would reset the
/// connection and destroy our last words.
bool tls_stream::has_unread() noexcept {
    char one = 0;
    const asio::mutable_buffer buffer(&one, 1);
    error_code ec;
    return read_now(io::mutable_buffers(&buffer, 1), ec) > 0;
}

void tls_stream::dispose() noexcept {
    end_pending();
    if (shut_ || aborted_ || has_unread()) {
        gone_ = true;
        below_.abort();
        return leave();
    }
    gone_ = true;
    if (!closing_) begin_closing();
    flush();
    if (is_sending() && !shut_) {
        linger_.emplace(*this);
        linger_->arm_after(linger_limit);
    }
    leave();
}

/// What TCP has taken is its affair, but for a last flight that it has not.
void tls_stream::linger_is_over() noexcept {
    if (!in_kernel_ || engine_->is_blocked()) return below_.abort();
    overdue_ = true;
    flush_.cancel();
}

/// Lets go of the connection below as soon as the last flight is with it.
void tls_stream::leave() noexcept {
    if (is_sending() && !aborted_ && !shut_) return;
    linger_.reset();
    below_.close();
    maybe_free();
}

/// Freed once it was disposed of and nothing below refers to it.
void tls_stream::maybe_free() noexcept {
    if (gone_ && !telling_ && !fill_.pending() && !flush_.pending() && !finish_.pending())
        delete this;
}

/// The context goes away: who waits is abandoned with what waits below.
void tls_stream::operation_abandoned() noexcept {
    const bool before = std::exchange(telling_, true);
    shut_ = true;
    linger_.reset();
    if (reader_ && !fill_.pending()) std::exchange(reader_, nullptr)->abandon();
    if (writer_ && !flush_.pending() && !finish_.pending())
        std::exchange(writer_, nullptr)->abandon();
    telling_ = before;
    maybe_free();
}

}  // namespace weft::tls::detail
