// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "shutdown_hooks.hpp"
#include <weft/io/duplex.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/require.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

namespace weft::io {
namespace {

namespace asio = boost::asio;

/// Keeps an execution context at work while an operation waits in memory.
class work {
  public:
    work(const asio::any_io_executor& any, const asio::io_context::executor_type* io) {
        if (io)
            quick_.emplace(asio::require(*io, asio::execution::outstanding_work.tracked));
        else
            any_ = asio::prefer(any, asio::execution::outstanding_work.tracked);
    }

  private:
    using tracked =
        std::decay_t<decltype(asio::require(std::declval<asio::io_context::executor_type>(),
                                            asio::execution::outstanding_work.tracked))>;
    std::optional<tracked> quick_;
    asio::any_io_executor any_;
};

/// Bytes on their way: a ring that starts small and grows to its capacity.
class ring {
  public:
    explicit ring(std::size_t capacity) noexcept : limit_(std::max<std::size_t>(capacity, 1)) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t room() const noexcept { return limit_ - size_; }

    void put(const char* data, std::size_t n) {
        if (n == 0) return;
        if (size_ + n > space_) grow(size_ + n);
        std::size_t at = head_ + size_;
        if (at >= space_) at -= space_;
        const std::size_t first = std::min(n, space_ - at);
        std::memcpy(memory_.get() + at, data, first);
        std::memcpy(memory_.get(), data + first, n - first);
        size_ += n;
    }

    std::size_t take(char* data, std::size_t n) noexcept {
        n = std::min(n, size_);
        if (n == 0) return 0;
        const std::size_t first = std::min(n, space_ - head_);
        std::memcpy(data, memory_.get() + head_, first);
        std::memcpy(data + first, memory_.get(), n - first);
        size_ -= n;
        head_ = size_ == 0 ? 0 : (head_ + n) % space_;
        return n;
    }

    void clear() noexcept {
        memory_.reset();
        head_ = size_ = space_ = 0;
    }

  private:
    void grow(std::size_t need) {
        const std::size_t space = std::min(limit_, std::max({need, space_ * 2, std::size_t{2048}}));
        std::unique_ptr<char[]> memory(new char[space]);
        const std::size_t held = size_;
        if (held > 0) take(memory.get(), held);
        memory_ = std::move(memory);
        space_ = space;
        head_ = 0;
        size_ = held;
    }

    std::unique_ptr<char[]> memory_;
    std::size_t limit_;
    std::size_t space_ = 0;
    std::size_t head_ = 0;
    std::size_t size_ = 0;
};

/// How a direction ended.
enum class ending : unsigned char {
    none,
    finished,  ///< the writer shut down or closed: the reader drains, then sees end of file
    reset      ///< one side aborted, or closed with unread input
};

/// One direction: the ring, and who waits at either end of it.
struct pipe {
    explicit pipe(std::size_t capacity) noexcept : bytes(capacity) {}

    ring bytes;
    ending end = ending::none;
    bool reader_gone = false;
    operation* reader = nullptr;
    mutable_buffers into;
    operation* writer = nullptr;
    const_buffers from;

    std::size_t take(mutable_buffers buffers) noexcept {
        std::size_t taken = 0;
        for (const auto& b : buffers) {
            if (bytes.size() == 0) break;
            taken += bytes.take(static_cast<char*>(b.data()), b.size());
        }
        return taken;
    }

    std::size_t put(const_buffers buffers) {
        std::size_t done = 0;
        for (const auto& b : buffers) {
            const std::size_t n = std::min(b.size(), bytes.room());
            if (n == 0 && b.size() > 0) break;
            bytes.put(static_cast<const char*>(b.data()), n);
            done += n;
        }
        return done;
    }
};

class core;

class end final : public stream_impl, public detail::shutdown_hooks::hook {
  public:
    end(core& c, asio::any_io_executor executor, std::size_t capacity)
        : stream_impl(std::move(executor)), core_(c), out_(capacity) {
        add(get_executor());
        counted_ = live_token(context().live().streams);
    }
    ~end() override = default;

    void join(end& peer) noexcept { peer_ = &peer; }

  private:
    void start_read(mutable_buffers buffers, operation& op) override;
    void start_write(const_buffers buffers, operation& op) override;
    void start_shutdown_send(operation& op) override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    std::size_t try_read(mutable_buffers buffers, error_code& ec) noexcept override;
    std::size_t try_write(const_buffers buffers, error_code& ec) noexcept override;
    bool try_shutdown_send(error_code& ec) noexcept override;
    void abort() noexcept override;
    void dispose() noexcept override;
    void on_context_shutdown() noexcept override;
    const weft::extensions& extensions() const noexcept override { return extensions_; }

    // All below with the lock held.
    std::size_t read_now(mutable_buffers buffers, error_code& ec);
    std::size_t write_now(const_buffers buffers, error_code& ec);
    void end_read(error_code ec, std::size_t n);
    void end_write(error_code ec, std::size_t n);
    void wait();
    void rest();
    void finish();
    void reset();

    pipe& in() const noexcept { return peer_->out_; }
    pipe& out() noexcept { return out_; }

    core& core_;
    end* peer_ = nullptr;
    pipe out_;
    std::optional<work> work_;  // while an operation waits
    bool aborted_ = false;
    live_token counted_;
    weft::extensions extensions_{context().deadlines().ticks()};
};

/// Both ends in one block, freed when both are gone.
class core {
  public:
    core(asio::any_io_executor a, asio::any_io_executor b, std::size_t capacity)
        : first_(*this, std::move(a), capacity), second_(*this, std::move(b), capacity) {
        first_.join(second_);
        second_.join(first_);
    }

    static std::pair<stream, stream> make(asio::any_io_executor a, asio::any_io_executor b,
                                          std::size_t capacity) {
        auto* made = new core(std::move(a), std::move(b), capacity);
        return {stream(&made->first_), stream(&made->second_)};
    }

    void keep() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void drop() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    std::mutex mutex;

  private:
    std::atomic<int> refs_{2};
    end first_;
    end second_;
};

std::size_t end::read_now(mutable_buffers buffers, error_code& ec) {
    if (aborted_) {
        ec = asio::error::connection_aborted;
        return 0;
    }
    pipe& p = in();
    const std::size_t n = p.take(buffers);
    if (n == 0) {
        ec = p.end == ending::reset      ? error_code(asio::error::connection_reset)
             : p.end == ending::finished ? error_code(asio::error::eof)
                                         : error_code(asio::error::would_block);
        return 0;
    }
    if (p.writer) peer_->end_write(error_code(), p.put(p.from));
    return n;
}

std::size_t end::write_now(const_buffers buffers, error_code& ec) {
    pipe& p = out();
    if (aborted_) {
        ec = asio::error::connection_aborted;
        return 0;
    }
    if (p.end == ending::reset) {
        ec = asio::error::connection_reset;
        return 0;
    }
    if (p.end == ending::finished || p.reader_gone) {
        ec = asio::error::broken_pipe;
        return 0;
    }
    std::size_t n = 0;
    if (p.reader) {
        // Nothing lies in the ring while a reader waits: straight into its buffers.
        n = asio::buffer_copy(p.into, buffers);
        peer_->end_read(error_code(), n);
        std::array<asio::const_buffer, max_buffers> left;
        std::size_t count = 0;
        std::size_t skip = n;
        for (const auto& b : buffers) {
            const std::size_t s = std::min(skip, b.size());
            skip -= s;
            if (b.size() > s) left[count++] = b + s;
        }
        return n + p.put({left.data(), count});
    }
    n = p.put(buffers);
    if (n == 0) ec = asio::error::would_block;
    return n;
}

void end::start_read(mutable_buffers buffers, operation& op) {
    std::lock_guard lock(core_.mutex);
    error_code ec;
    const std::size_t n = read_now(buffers, ec);
    if (ec != asio::error::would_block) return post(op, ec, n);
    in().reader = &op;
    in().into = buffers;
    wait();
}

void end::start_write(const_buffers buffers, operation& op) {
    std::lock_guard lock(core_.mutex);
    error_code ec;
    const std::size_t n = write_now(buffers, ec);
    if (ec != asio::error::would_block) return post(op, ec, n);
    out().writer = &op;
    out().from = buffers;
    wait();
}

std::size_t end::try_read(mutable_buffers buffers, error_code& ec) noexcept {
    std::lock_guard lock(core_.mutex);
    return read_now(buffers, ec);
}

std::size_t end::try_write(const_buffers buffers, error_code& ec) noexcept {
    std::lock_guard lock(core_.mutex);
    return write_now(buffers, ec);
}

/// Ends the read that waits on this end.
void end::end_read(error_code ec, std::size_t n) {
    post(*std::exchange(in().reader, nullptr), ec, n);
    rest();
}

void end::end_write(error_code ec, std::size_t n) {
    post(*std::exchange(out().writer, nullptr), ec, n);
    rest();
}

void end::wait() {
    if (!work_) work_.emplace(get_executor(), io_context_executor());
}

void end::rest() {
    if (!in().reader && !out().writer) work_.reset();
}

/// No more bytes from this end.
void end::finish() {
    pipe& p = out();
    if (p.end != ending::none) return;
    p.end = ending::finished;
    if (p.reader) peer_->end_read(asio::error::eof, 0);
}

/// Both directions are over, and what lies in them is lost.
void end::reset() {
    in().bytes.clear();
    out().bytes.clear();
    in().end = out().end = ending::reset;
    if (out().reader) peer_->end_read(asio::error::connection_reset, 0);
    if (in().writer) peer_->end_write(asio::error::connection_reset, 0);
}

bool end::try_shutdown_send(error_code& ec) noexcept {
    std::lock_guard lock(core_.mutex);
    if (aborted_) {
        ec = asio::error::connection_aborted;
        return false;
    }
    finish();
    return true;
}

void end::start_shutdown_send(operation& op) {
    error_code ec;
    try_shutdown_send(ec);
    post(op, ec, 0);
}

void end::cancel_read() noexcept {
    std::lock_guard lock(core_.mutex);
    if (in().reader) end_read(asio::error::operation_aborted, 0);
}

void end::cancel_write() noexcept {
    std::lock_guard lock(core_.mutex);
    if (!out().writer) return;
    end_write(asio::error::operation_aborted, 0);
    finish();
}

void end::abort() noexcept {
    std::lock_guard lock(core_.mutex);
    if (aborted_) return;
    aborted_ = true;
    if (in().reader) end_read(asio::error::operation_aborted, 0);
    if (out().writer) end_write(asio::error::operation_aborted, 0);
    reset();
}

void end::dispose() noexcept {
    remove();
    {
        std::lock_guard lock(core_.mutex);
        if (in().reader) end_read(asio::error::operation_aborted, 0);
        if (out().writer) end_write(asio::error::operation_aborted, 0);
        if (in().bytes.size() > 0) {
            reset();
        } else if (!aborted_) {
            finish();
            in().reader_gone = true;
            in().bytes.clear();
        }
        // Its context may be gone before the peer lets go of this block.
        release_executor();
        counted_.reset();
    }
    {
        const weft::extensions store(
            std::move(extensions_));  // not under the lock: it ends user's values
        static_cast<void>(store);
    }
    core_.drop();
}

void end::on_context_shutdown() noexcept {
    core_.keep();
    operation* reader = nullptr;
    operation* writer = nullptr;
    {
        std::lock_guard lock(core_.mutex);
        reader = std::exchange(in().reader, nullptr);
        writer = std::exchange(out().writer, nullptr);
        work_.reset();
        counted_.reset();
    }
    if (reader) reader->abandon();
    if (writer) writer->abandon();
    core_.drop();
}

}  // namespace

std::pair<stream, stream> duplex(asio::any_io_executor first, asio::any_io_executor second,
                                 std::size_t capacity) {
    return core::make(std::move(first), std::move(second), capacity);
}

std::pair<stream, stream> duplex(const asio::any_io_executor& executor, std::size_t capacity) {
    return core::make(executor, executor, capacity);
}

}  // namespace weft::io
