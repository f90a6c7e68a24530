// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/io/forward.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/detail/suspend.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace weft::io {

namespace asio = boost::asio;

namespace {

/// What a direction reads into while nothing is on the way.
constexpr std::size_t small_size = 2048;
/// Reads in a row without waiting before others on the executor have their turn.
constexpr int burst = 16;

class forwarder;

/// From one stream to the other: read, write, and so on; at the end of file, half close.
class one_way {
  public:
    one_way(forwarder& owner, stream& from, stream& to, forward_side from_side,
            forward_side to_side, std::size_t buffer) noexcept
        : owner_(owner),
          from_(from),
          to_(to),
          from_side_(from_side),
          to_side_(to_side),
          large_size_(buffer > small_size ? buffer - small_size : 0) {}

    void go_on();
    [[nodiscard]] bool pending() const noexcept { return read_.pending() || write_.pending(); }
    [[nodiscard]] bool over() const noexcept { return over_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

    /// Of the operations: the context goes away.
    void operation_abandoned() noexcept;

  private:
    void on_read(error_code ec, std::size_t n);
    void on_write(error_code ec, std::size_t n);
    bool came(error_code ec, std::size_t n);
    bool try_more();
    bool write_out();
    bool end_of_file();
    void wrote(std::size_t n) noexcept;

    /// What is read and not written: in the small room first, then in the large one.
    [[nodiscard]] std::size_t unsent() const noexcept { return filled_ - sent_; }
    const_buffers parts() noexcept {
        std::size_t count = 0;
        if (sent_ < std::min(filled_, small_size))
            parts_[count++] = {small_.data() + sent_, std::min(filled_, small_size) - sent_};
        if (filled_ > small_size) {
            const std::size_t from = std::max(sent_, small_size);
            parts_[count++] = {large_.get() + (from - small_size), filled_ - from};
        }
        return {parts_.data(), count};
    }
    asio::mutable_buffer room() noexcept {
        if (filled_ < small_size) return {small_.data() + filled_, small_size - filled_};
        return {large_.get() + (filled_ - small_size), small_size + large_size_ - filled_};
    }

    forwarder& owner_;
    stream& from_;
    stream& to_;
    const forward_side from_side_;
    const forward_side to_side_;
    const std::size_t large_size_;
    std::unique_ptr<char[]> large_;  // while more is on the way than the small room holds
    std::size_t filled_ = 0;
    std::size_t sent_ = 0;
    std::uint64_t bytes_ = 0;
    bool ending_ = false;   // end of file was read
    bool closing_ = false;  // half close is under way
    bool over_ = false;
    int in_a_row_ = 0;
    asio::mutable_buffer into_;
    std::array<asio::const_buffer, 2> parts_;
    member_operation<one_way, &one_way::on_read> read_{*this};
    member_operation<one_way, &one_way::on_write> write_{*this};
    std::array<char, small_size> small_;  // NOLINT: filled as far as it is read
};

/// Both directions, the limits, and who waits for the end. Lives in a coroutine's frame.
class forwarder {
  public:
    forwarder(stream a, stream b, const forward_options& options)
        : a_(std::move(a)),
          b_(std::move(b)),
          options_(options),
          info_(a_.impl().context()),
          executor_(a_.get_executor()),
          begun_(info_.clock().now()),
          a_to_b_(*this, a_, b_, forward_side::a, forward_side::b, options.buffer),
          b_to_a_(*this, b_, a_, forward_side::b, forward_side::a, options.buffer),
          quiet_(info_.deadlines(), executor_,
                 [](deadlines::entry& e) noexcept { static_cast<limit&>(e).owner_->silent(); }),
          total_(info_.deadlines(), executor_, [](deadlines::entry& e) noexcept {
              static_cast<limit&>(e).owner_->end(forward_end::total, forward_side::neither, {});
          }) {
        quiet_.owner_is(*this);
        total_.owner_is(*this);
    }

    void suspended(weft::detail::resume_handle coroutine, asio::cancellation_slot slot) {
        coroutine_ = std::move(coroutine);
        slot_ = slot;
        if (slot.is_connected()) {
            slot.assign([this](asio::cancellation_type type) {
                if ((type & asio::cancellation_type::terminal) != asio::cancellation_type::none)
                    end(forward_end::cancelled, forward_side::neither, {});
            });
        }
        if (options_.total.count() > 0) total_.arm_after(options_.total);
        first_ = options_.first_byte.count() > 0 &&
                 (options_.idle.count() <= 0 || options_.first_byte < options_.idle);
        if (first_)
            quiet_.arm_after(options_.first_byte);
        else
            moved();
        started_ = true;
        a_to_b_.go_on();
        if (!ended_) b_to_a_.go_on();
        maybe_done();
    }

    /// Bytes moved.
    void moved() {
        if (options_.idle.count() > 0)
            quiet_.arm_after(options_.idle);
        else if (first_)
            quiet_.disarm();
        first_ = false;
    }

    void saw_end(forward_side side) noexcept {
        if (outcome_.ended_by == forward_side::neither) outcome_.ended_by = side;
    }

    void end(forward_end why, forward_side side, error_code code) noexcept {
        if (ended_ || done()) return;
        ended_ = true;
        outcome_.why = why;
        outcome_.ended_by = side;
        outcome_.code = code;
        a_.abort();
        b_.abort();
    }

    [[nodiscard]] bool ended() const noexcept { return ended_; }

    /// Called last by whatever an operation's completion did.
    void maybe_done() {
        if (!started_ || !coroutine_ || pending() || !(ended_ || done())) return;
        quiet_.disarm();
        total_.disarm();
        if (slot_.is_connected()) slot_.clear();
        weft::detail::resume_by_post(executor_, std::move(coroutine_));
    }

    void abandoned() noexcept {
        ended_ = true;
        if (pending()) return;
        // The coroutine goes, and this with it.
        auto gone = std::move(coroutine_);
    }

    forward_outcome take() {
        outcome_.a_to_b = a_to_b_.bytes();
        outcome_.b_to_a = b_to_a_.bytes();
        outcome_.age = info_.clock().now() - begun_;
        return outcome_;
    }

  private:
    struct limit : deadlines::entry {
        using entry::entry;
        void owner_is(forwarder& f) noexcept { owner_ = &f; }
        forwarder* owner_ = nullptr;
    };

    void silent() noexcept {
        end(first_ ? forward_end::first_byte : forward_end::idle, forward_side::neither, {});
    }
    [[nodiscard]] bool pending() const noexcept { return a_to_b_.pending() || b_to_a_.pending(); }
    [[nodiscard]] bool done() const noexcept { return a_to_b_.over() && b_to_a_.over(); }

    stream a_;
    stream b_;
    const forward_options options_;
    context_info& info_;
    const asio::any_io_executor executor_;
    const clock::time_point begun_;
    forward_outcome outcome_;
    bool started_ = false;
    bool ended_ = false;
    bool first_ = false;  // the limit is that of the first byte
    weft::detail::resume_handle coroutine_;
    asio::cancellation_slot slot_;
    one_way a_to_b_;
    one_way b_to_a_;
    limit quiet_;
    limit total_;
};

// one_way
// -------------------------------------------------------------------------------------------------

/// Moves what can be moved without waiting, then waits for the one thing that is missing.
void one_way::go_on() {
    in_a_row_ = 0;
    while (!over_ && !owner_.ended()) {
        if (unsent() > 0) {
            if (!write_out()) return;
        } else if (ending_) {
            if (!end_of_file()) return;
        } else {
            filled_ = sent_ = 0;
            if (++in_a_row_ > burst || !try_more()) {
                if (owner_.ended() || ending_ || unsent() > 0) continue;
                if (in_a_row_ <= burst) large_.reset();
                into_ = room();
                return from_.start_read({&into_, 1}, read_);
            }
        }
    }
}

/// Reads without waiting; false when nothing came.
bool one_way::try_more() {
    if (!from_.impl().may_read_now()) return false;
    error_code ec;
    const std::size_t n = from_.try_read(room(), ec);
    if (ec == asio::error::would_block) return false;
    return came(ec, n);
}

/// What a read brought. When it filled the small room more lies there, most likely: into the large
/// one with it, so that both leave in one write.
bool one_way::came(error_code ec, std::size_t n) {
    if (ec == asio::error::eof) {
        ending_ = true;
        owner_.saw_end(from_side_);
        return true;
    }
    if (ec) {
        owner_.end(forward_end::failed, from_side_, ec);
        return false;
    }
    filled_ += n;
    owner_.moved();
    if (filled_ == small_size && large_size_ > 0) {
        if (!large_) large_.reset(new char[large_size_]);
        error_code more;
        if (from_.impl().may_read_now()) filled_ += from_.try_read(room(), more);
        // Whatever it is but bytes, the next read says so again.
    }
    return true;
}

void one_way::wrote(std::size_t n) noexcept {
    sent_ += n;
    bytes_ += n;
}

/// False: it waits for the write, or it is over.
bool one_way::write_out() {
    error_code ec;
    const std::size_t n = to_.try_write(parts(), ec);
    if (ec == asio::error::would_block) {
        to_.start_write(parts(), write_);
        return false;
    }
    if (ec) {
        owner_.end(forward_end::failed, to_side_, ec);
        return false;
    }
    wrote(n);
    return true;
}

bool one_way::end_of_file() {
    large_.reset();
    error_code ec;
    if (to_.try_shutdown_send(ec)) {
        over_ = true;
        return true;
    }
    if (ec == asio::error::would_block) {
        closing_ = true;
        to_.start_shutdown_send(write_);
    } else {
        owner_.end(forward_end::failed, to_side_, ec);
    }
    return false;
}

void one_way::on_read(error_code ec, std::size_t n) {
    if (!owner_.ended() && came(ec, n)) go_on();
    owner_.maybe_done();
}

void one_way::on_write(error_code ec, std::size_t n) {
    if (!owner_.ended()) {
        if (ec) {
            owner_.end(forward_end::failed, to_side_, ec);
        } else {
            if (std::exchange(closing_, false))
                over_ = true;
            else
                wrote(n);
            owner_.moved();
            go_on();
        }
    }
    owner_.maybe_done();
}

void one_way::operation_abandoned() noexcept { owner_.abandoned(); }

awaitable<forward_outcome> forward_here(stream a, stream b, forward_options options,
                                        std::source_location where) {
    context_info& info = a.impl().context();
    forwarder f(std::move(a), std::move(b), options);
    {
        const wait_scope waiting(info, "forward", where);
        weft::detail::suspend_into<forwarder> op{&f};
        co_await std::move(op);
    }
    co_return f.take();
}

awaitable<forward_outcome> forward_anywhere(stream a, stream b, forward_options options,
                                            std::source_location where) {
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    const asio::any_io_executor there = a.get_executor();
    if (there != b.get_executor())
        throw failure(failure_kind::invalid_input,
                      "the streams to forward between belong to different executors");
    if (here == there) co_return co_await forward_here(std::move(a), std::move(b), options, where);
    auto work = forward_here(std::move(a), std::move(b), options, where);
    co_return co_await run_on(there, std::move(work), where);
}

}  // namespace

std::string_view to_string(forward_end e) noexcept {
    switch (e) {
        case forward_end::finished:
            return "finished";
        case forward_end::failed:
            return "failed";
        case forward_end::idle:
            return "idle";
        case forward_end::first_byte:
            return "first_byte";
        case forward_end::total:
            return "total";
        case forward_end::cancelled:
            return "cancelled";
    }
    return "?";
}

std::string_view to_string(forward_side s) noexcept {
    switch (s) {
        case forward_side::neither:
            return "neither";
        case forward_side::a:
            return "a";
        case forward_side::b:
            return "b";
    }
    return "?";
}

awaitable<forward_outcome> forward(stream a, stream b, forward_options options,
                                   std::source_location where) {
    return forward_anywhere(std::move(a), std::move(b), options, where);
}

}  // namespace weft::io
