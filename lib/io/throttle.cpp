// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "shutdown_hooks.hpp"
#include <weft/io/throttle.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace weft::io {

namespace asio = boost::asio;

namespace {

constexpr std::size_t largest_step = 64 * 1024;

/// The buckets of one direction: its own, and one that it shares.
class limits {
  public:
    limits(std::uint64_t rate, std::size_t burst, std::optional<bandwidth> shared) {
        if (rate > 0) add(bandwidth(rate, burst));
        if (shared) add(std::move(*shared));
    }
    /// The most that moves at once.
    [[nodiscard]] std::size_t step() const noexcept { return step_; }

    std::size_t take_now(std::size_t n, clock::time_point now) noexcept {
        std::size_t taken = std::min(n, step_);
        for (std::size_t i = 0; i < count_ && taken > 0; ++i) {
            const std::size_t here = all_[i]->take_now(taken, now);
            for (std::size_t before = 0; before < i; ++before)
                all_[before]->give_back(taken - here);
            taken = here;
        }
        return taken;
    }
    clock::time_point reserve(std::size_t n, clock::time_point now) noexcept {
        clock::time_point turn = now;
        for (std::size_t i = 0; i < count_; ++i) turn = std::max(turn, all_[i]->reserve(n, now));
        return turn;
    }
    void give_back(std::size_t n) noexcept {
        for (std::size_t i = 0; i < count_; ++i) all_[i]->give_back(n);
    }

  private:
    void add(bandwidth b) {
        if (b.bytes_per_second() > 0) step_ = std::min(step_, b.burst());
        all_[count_++].emplace(std::move(b));
    }

    std::array<std::optional<bandwidth>, 2> all_;
    std::size_t count_ = 0;
    std::size_t step_ = largest_step;
};

/// The first `most` bytes of some buffers.
template <class Buffer>
class part_of {
  public:
    part_of() noexcept = default;
    part_of(std::span<const Buffer> buffers, std::size_t most) noexcept {
        for (const Buffer& b : buffers) {
            if (most == 0) break;
            items_[count_] = b.size() <= most ? b : Buffer(b.data(), most);
            most -= items_[count_++].size();
        }
    }
    [[nodiscard]] std::span<const Buffer> span() const noexcept { return {items_.data(), count_}; }

  private:
    std::array<Buffer, max_buffers> items_;
    std::size_t count_ = 0;
};

template <class Buffer>
std::size_t size_of(std::span<const Buffer> buffers) noexcept {
    std::size_t sum = 0;
    for (const Buffer& b : buffers) sum += b.size();
    return sum;
}

/// Reads: first from below, then hand over when it is time. Writes: first their time, then below.
class throttled final : public stream_impl, private detail::shutdown_hooks::hook {
  public:
    throttled(stream inner, throttle_options options)
        : stream_impl(inner),
          inner_(std::move(inner)),
          clock_(context().clock()),
          reads_(options.read_rate, options.burst, std::move(options.shared_read)),
          writes_(options.write_rate, options.burst, std::move(options.shared_write)),
          read_turn_(*this,
                     [](deadlines::entry& e) noexcept { static_cast<turn&>(e).owner.hand_over(); }),
          write_turn_(*this, [](deadlines::entry& e) noexcept {
              static_cast<turn&>(e).owner.write_below();
          }) {
        add(get_executor());
    }

  private:
    ~throttled() override { remove(); }

    struct turn : deadlines::entry {
        turn(throttled& o, callback on_fire)
            : entry(o.context().deadlines(), o.get_executor(), on_fire), owner(o) {}
        throttled& owner;
    };

    // Reading
    // ---------------------------------------------------------------------------------------------

    std::size_t try_read(mutable_buffers buffers, error_code& ec) noexcept override {
        const std::size_t taken = reads_.take_now(size_of(buffers), clock_.now());
        if (taken == 0) {
            ec = asio::error::would_block;
            return 0;
        }
        const part_of<asio::mutable_buffer> part(buffers, taken);
        const std::size_t n = inner_.try_read(part.span(), ec);
        reads_.give_back(taken - n);
        return n;
    }

    void start_read(mutable_buffers buffers, operation& op) override {
        if (aborted_) return post(op, asio::error::connection_aborted, 0);
        reader_ = &op;
        into_ = part_of<asio::mutable_buffer>(buffers, reads_.step());
        inner_.start_read(into_.span(), read_below_);
    }

    void on_read(error_code ec, std::size_t n) {
        if (!reader_) return maybe_go();
        if (ec) return std::exchange(reader_, nullptr)->deliver(ec, n);
        const auto now = clock_.now();
        const auto when = reads_.reserve(n, now);
        if (when <= now) return std::exchange(reader_, nullptr)->deliver(ec, n);
        held_ = n;
        read_turn_.arm_at(when);
    }

    void hand_over() noexcept {
        const std::size_t n = std::exchange(held_, 0);
        post(*std::exchange(reader_, nullptr), error_code(), n);
    }

    void cancel_read() noexcept override {
        if (!reader_) return;
        if (held_ == 0) return read_below_.cancel();
        // It has been read: no byte is lost, and the limit keeps count of it.
        read_turn_.disarm();
        const std::size_t n = std::exchange(held_, 0);
        post(*std::exchange(reader_, nullptr), error_code(), n);
    }

    // Writing
    // ---------------------------------------------------------------------------------------------

    std::size_t try_write(const_buffers buffers, error_code& ec) noexcept override {
        if (finished_ && !aborted_) {
            ec = asio::error::broken_pipe;
            return 0;
        }
        const std::size_t taken = writes_.take_now(size_of(buffers), clock_.now());
        if (taken == 0) {
            ec = asio::error::would_block;
            return 0;
        }
        const part_of<asio::const_buffer> part(buffers, taken);
        const std::size_t n = inner_.try_write(part.span(), ec);
        writes_.give_back(taken - n);
        return n;
    }

    void start_write(const_buffers buffers, operation& op) override {
        if (aborted_) return post(op, asio::error::connection_aborted, 0);
        if (finished_) return post(op, asio::error::broken_pipe, 0);
        from_ = part_of<asio::const_buffer>(buffers, writes_.step());
        reserved_ = size_of(from_.span());
        writer_ = &op;
        const auto now = clock_.now();
        const auto when = writes_.reserve(reserved_, now);
        if (when <= now) return write_below();
        write_turn_.arm_at(when);
    }

    void write_below() noexcept { inner_.start_write(from_.span(), write_below_); }

    void on_write(error_code ec, std::size_t n) {
        writes_.give_back(std::exchange(reserved_, 0) - n);
        if (!writer_) return maybe_go();
        std::exchange(writer_, nullptr)->deliver(ec, n);
    }

    void cancel_write() noexcept override {
        if (shutting_down_) return inner_.impl().cancel_write();
        if (!writer_) return;
        if (write_below_.pending()) return write_below_.cancel();
        forget_write(asio::error::operation_aborted);
        finished_ = true;
        error_code ec;
        if (!inner_.try_shutdown_send(ec) && ec == asio::error::would_block)
            inner_.start_shutdown_send(finish_below_);
    }

    /// A write that waits for its turn.
    void forget_write(error_code ec) noexcept {
        write_turn_.disarm();
        writes_.give_back(std::exchange(reserved_, 0));
        post(*std::exchange(writer_, nullptr), ec, 0);
    }

    bool try_shutdown_send(error_code& ec) noexcept override {
        if (finished_ && !aborted_) return true;
        return inner_.try_shutdown_send(ec);
    }

    void start_shutdown_send(operation& op) override {
        if (aborted_) return post(op, asio::error::connection_aborted, 0);
        if (finished_) return post(op, error_code(), 0);
        writer_ = &op;
        shutting_down_ = true;
        inner_.start_shutdown_send(finish_below_);
    }

    void on_finish(error_code ec, std::size_t) {
        shutting_down_ = false;
        if (!writer_) return maybe_go();
        std::exchange(writer_, nullptr)->deliver(ec, 0);
    }

    // The end
    // ---------------------------------------------------------------------------------------------

    void end_pending() noexcept {
        read_turn_.disarm();
        held_ = 0;
        if (reader_) post(*std::exchange(reader_, nullptr), asio::error::operation_aborted, 0);
        if (!writer_) return;
        if (write_below_.pending() || shutting_down_)
            post(*std::exchange(writer_, nullptr), asio::error::operation_aborted, 0);
        else
            forget_write(asio::error::operation_aborted);
    }

    void abort() noexcept override {
        aborted_ = true;
        end_pending();
        inner_.abort();
    }

    void dispose() noexcept override {
        const bool unread = held_ > 0;
        remove();
        end_pending();
        if (unread) inner_.abort();
        inner_.close();
        gone_ = true;
        maybe_go();
    }

    /// Freed once it was disposed of and nothing below refers to it.
    void maybe_go() noexcept {
        if (gone_ && !shutting_ && !read_below_.pending() && !write_below_.pending() &&
            !finish_below_.pending())
            delete this;
    }

    /// The context goes away: all that waits is abandoned, what waits below when its turn comes.
    void on_context_shutdown() noexcept override {
        const bool before = std::exchange(shutting_, true);
        read_turn_.disarm();
        write_turn_.disarm();
        if (reader_ && !read_below_.pending()) std::exchange(reader_, nullptr)->abandon();
        if (writer_ && !write_below_.pending() && !finish_below_.pending())
            std::exchange(writer_, nullptr)->abandon();
        shutting_ = before;
        maybe_go();
    }

  public:
    /// Of the operations below.
    void operation_abandoned() noexcept { on_context_shutdown(); }

  private:
    // What is the stream's below
    // ---------------------------------------------------------------------------------------------

    bool may_read_now() const noexcept override { return inner_.impl().may_read_now(); }
    const weft::extensions& extensions() const noexcept override { return inner_.extensions(); }

    stream inner_;
    const clock& clock_;
    limits reads_;
    limits writes_;
    operation* reader_ = nullptr;
    part_of<asio::mutable_buffer> into_;
    std::size_t held_ = 0;  // bytes in the reader's buffers that wait for their turn
    operation* writer_ = nullptr;
    part_of<asio::const_buffer> from_;
    std::size_t reserved_ = 0;
    bool shutting_down_ = false;
    bool finished_ = false;  // the write side was closed by a cancelled write
    bool aborted_ = false;
    bool gone_ = false;
    bool shutting_ = false;  // the context's end is being told: do not free
    turn read_turn_;
    turn write_turn_;
    member_operation<throttled, &throttled::on_read> read_below_{*this};
    member_operation<throttled, &throttled::on_write> write_below_{*this};
    member_operation<throttled, &throttled::on_finish> finish_below_{*this};
};

}  // namespace

stream throttle(stream inner, throttle_options options) {
    return stream::make<throttled>(std::move(inner), std::move(options));
}

}  // namespace weft::io
