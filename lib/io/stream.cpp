// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "held_operations.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/stream.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <tuple>

namespace weft::io {

namespace asio = boost::asio;

// operation
// -------------------------------------------------------------------------------------------------

void operation::unlink() noexcept {
    if (!stream_) return;
    (is_read_ ? stream_->reading_ : stream_->writing_) = nullptr;
    stream_ = nullptr;
}

void operation::deliver() {
    outcome result = result_;
    // The stream was destroyed while the result was on its way: whoever waits must not touch it
    // again.
    if (linked_ && !stream_) result.code = asio::error::operation_aborted;
    unlink();
    linked_ = false;
    pending_ = false;
    function_(*this, &result);
}

void operation::abandon() noexcept {
    unlink();
    linked_ = false;
    pending_ = false;
    function_(*this, nullptr);
}

void operation::cancel() noexcept {
    if (!stream_) return;
    if (detail::held_operations::may_hold(*stream_->info_) &&
        detail::held_operations::cancel(*stream_, *this))
        return;
    if (is_read_)
        stream_->cancel_read();
    else
        stream_->cancel_write();
}

// stream_impl
// -------------------------------------------------------------------------------------------------

namespace {

constexpr auto as_result = asio::as_tuple(asio::deferred);
using signature = void(error_code, std::size_t);
using single_mutable = detail::buffer_array<asio::mutable_buffer, asio::mutable_buffer>;
using single_const = detail::buffer_array<asio::const_buffer, asio::const_buffer>;

template <class Buffer>
std::size_t total(std::span<const Buffer> buffers) noexcept {
    std::size_t sum = 0;
    for (const Buffer& b : buffers) sum += b.size();
    return sum;
}

template <class Span>
Span at_most_max(Span buffers) noexcept {
    return buffers.first(std::min(buffers.size(), max_buffers));
}

}  // namespace

stream_impl::stream_impl(asio::any_io_executor executor)
    : executor_(std::move(executor)),
      info_(&context_info::of(executor_)),
      io_(executor_.target<asio::io_context::executor_type>()),
      direct_(io_ != nullptr || executor_.target<serial_executor>() != nullptr) {}

stream_impl::stream_impl(const stream& below)
    : executor_(below.impl().executor_),
      info_(below.impl().info_),
      io_(executor_.target<asio::io_context::executor_type>()),
      direct_(below.impl().direct_) {}

stream_impl::~stream_impl() = default;

void stream_impl::unlink_all() noexcept {
    if (reading_) reading_->unlink();
    if (writing_) writing_->unlink();
}

void stream_impl::post(operation& op, error_code code, std::size_t bytes) const {
    // The handler is one pointer; destroyed without having run (the context goes away), it abandons
    // the operation.
    struct completion {
        operation* op;
        explicit completion(operation* o) noexcept : op(o) {}
        completion(completion&& other) noexcept : op(std::exchange(other.op, nullptr)) {}
        ~completion() {
            if (op) op->abandon();
        }
        void operator()() { std::exchange(op, nullptr)->deliver(); }
    };
    op.result_ = {code, bytes};
    if (io_)
        asio::post(*io_, completion(&op));
    else
        asio::post(executor_, completion(&op));
}

bool stream_impl::take_in(operation& op, operation*& place) {
    if (place) {
        post(op, asio::error::already_started, 0);
        return false;
    }
    op.stream_ = this;
    op.linked_ = true;
    place = &op;
    return true;
}

void stream_impl::begin_read(operation& op, mutable_buffers buffers) {
    assert(!op.pending_);
    op.pending_ = true;
    op.is_read_ = true;
    buffers = at_most_max(buffers);
    if (total(buffers) == 0) return post(op, error_code(), 0);
    if (!take_in(op, reading_)) return;
    if (detail::held_operations::may_hold(*info_) &&
        detail::held_operations::begin_read(*this, buffers, op))
        return;
    start_read(buffers, op);
}

void stream_impl::begin_write(operation& op, const_buffers buffers) {
    assert(!op.pending_);
    op.pending_ = true;
    op.is_read_ = false;
    buffers = at_most_max(buffers);
    if (total(buffers) == 0) return post(op, error_code(), 0);
    if (!take_in(op, writing_)) return;
    if (detail::held_operations::may_hold(*info_) &&
        detail::held_operations::begin_write(*this, buffers, op))
        return;
    start_write(buffers, op);
}

void stream_impl::begin_shutdown(operation& op) {
    assert(!op.pending_);
    op.pending_ = true;
    op.is_read_ = false;
    if (!take_in(op, writing_)) return;
    if (detail::held_operations::may_hold(*info_) &&
        detail::held_operations::begin_shutdown(*this, op))
        return;
    start_shutdown_send(op);
}

void stream_impl::begin_wait_writable(operation& op) {
    assert(!op.pending_);
    op.pending_ = true;
    op.is_read_ = false;
    if (!take_in(op, writing_)) return;
    start_wait_writable(op);
}

void stream_impl::start_wait_writable(operation& op) {
    post(op, asio::error::operation_not_supported, 0);
}

std::size_t stream_impl::try_read(mutable_buffers, error_code& ec) noexcept {
    ec = asio::error::would_block;
    return 0;
}

std::size_t stream_impl::try_write(const_buffers, error_code& ec) noexcept {
    ec = asio::error::would_block;
    return 0;
}

bool stream_impl::try_shutdown_send(error_code& ec) noexcept {
    ec = asio::error::would_block;
    return false;
}

// A test may let an operation fail, or say that it would block (testing::fault_plan).
static bool spoilt(const context_info& info, const char* what, error_code& ec) noexcept {
    const wait_fault fault = fault_of(info, what, {});
    if (!fault) return false;
    ec = fault.error ? fault.error : error_code(asio::error::would_block);
    return true;
}

// Only with something pending: the context may have gone before an idle stream.
void stream::end_held(stream_impl& impl) noexcept {
    if ((impl.reading_ || impl.writing_) && detail::held_operations::may_hold(*impl.info_))
        detail::held_operations::end_all(impl);
}

// stream
// -------------------------------------------------------------------------------------------------

std::size_t stream::try_read(stream_impl& impl, mutable_buffers buffers, error_code& ec) noexcept {
    ec = {};
    buffers = at_most_max(buffers);
    if (total(buffers) == 0) return 0;
    if (impl.reading_) {
        ec = asio::error::already_started;
        return 0;
    }
    if (detail::held_operations::may_hold(*impl.info_) &&
        spoilt(*impl.info_, "stream try_read", ec))
        return 0;
    return impl.try_read(buffers, ec);
}

std::size_t stream::try_write(stream_impl& impl, const_buffers buffers, error_code& ec) noexcept {
    ec = {};
    buffers = at_most_max(buffers);
    if (total(buffers) == 0) return 0;
    if (impl.writing_) {
        ec = asio::error::already_started;
        return 0;
    }
    if (detail::held_operations::may_hold(*impl.info_) &&
        spoilt(*impl.info_, "stream try_write", ec))
        return 0;
    return impl.try_write(buffers, ec);
}

bool stream::try_shutdown_send(stream_impl& impl, error_code& ec) noexcept {
    ec = {};
    if (impl.writing_) {
        ec = asio::error::already_started;
        return false;
    }
    if (detail::held_operations::may_hold(*impl.info_) &&
        spoilt(*impl.info_, "stream try_shutdown", ec))
        return false;
    return impl.try_shutdown_send(ec);
}

void stream::start_read(mutable_buffers buffers, operation& op) { impl_->begin_read(op, buffers); }
void stream::start_write(const_buffers buffers, operation& op) { impl_->begin_write(op, buffers); }
void stream::start_shutdown_send(operation& op) { impl_->begin_shutdown(op); }

void stream::cancel() noexcept {
    if (impl_->reading_) impl_->reading_->cancel();
    if (impl_->writing_) impl_->writing_->cancel();
}

void stream::abort() noexcept {
    end_held(*impl_);
    impl_->abort();
}

void stream::close_impl() noexcept {
    stream_impl* gone = std::exchange(impl_, nullptr);
    // First: an operation on its way must not look for a transport that may be freed on another
    // thread.
    end_held(*gone);
    gone->unlink_all();
    gone->dispose();
}

// Coroutines hold the transport, not the stream, so that the stream may move while they wait. If it
// is destroyed meanwhile, the pending operation ends with operation_aborted (operation::deliver),
// and the transport is not touched again.

awaitable<std::size_t> stream::read_from(stream_impl* impl, asio::mutable_buffer buffer,
                                         std::source_location where) {
    error_code ec = asio::error::would_block;
    std::size_t n = 0;
    if (impl->may_read_now()) n = try_read(*impl, mutable_buffers(&buffer, 1), ec);
    if (ec == asio::error::would_block) {
        const wait_scope waiting(impl->context(), "stream read", where, wait_scope::announced);
        std::tie(ec, n) = co_await asio::async_initiate<decltype(as_result), signature>(
            initiate_read{impl}, as_result, single_mutable(buffer));
    }
    if (ec && ec != asio::error::eof) throw failure::from(ec, "read failed");
    co_return n;
}

awaitable<void> stream::write_one(stream_impl* impl, asio::const_buffer data, bytes keep,
                                  std::source_location where) {
    static_cast<void>(keep);  // lives in the frame
    while (data.size() > 0) {
        error_code ec;
        std::size_t n = try_write(*impl, const_buffers(&data, 1), ec);
        if (ec == asio::error::would_block) {
            const wait_scope waiting(impl->context(), "stream write", where, wait_scope::announced);
            std::tie(ec, n) = co_await asio::async_initiate<decltype(as_result), signature>(
                initiate_write{impl}, as_result, single_const(data));
        }
        if (ec) throw failure::from(ec, "write failed");
        data += n;
    }
}

awaitable<void> stream::write_all(stream_impl* impl, const_buffers data,
                                  std::source_location where) {
    std::size_t offset = 0;  // into the first buffer
    for (;;) {
        while (!data.empty() && offset == data.front().size()) {
            data = data.subspan(1);
            offset = 0;
        }
        if (data.empty()) co_return;
        std::array<asio::const_buffer, max_buffers> part;
        const std::size_t count = std::min(data.size(), max_buffers);
        std::copy_n(data.begin(), count, part.begin());
        part[0] += offset;
        const const_buffers now(part.data(), count);
        error_code ec;
        std::size_t n = try_write(*impl, now, ec);
        if (ec == asio::error::would_block) {
            const wait_scope waiting(impl->context(), "stream write", where, wait_scope::announced);
            std::tie(ec, n) = co_await asio::async_initiate<decltype(as_result), signature>(
                initiate_write{impl}, as_result,
                detail::buffer_array<asio::const_buffer, const_buffers>(now));
        }
        if (ec) throw failure::from(ec, "write failed");
        for (offset += n; !data.empty() && offset >= data.front().size(); data = data.subspan(1))
            offset -= data.front().size();
    }
}

awaitable<void> stream::shutdown_to(stream_impl* impl, std::source_location where) {
    error_code ec;
    if (!try_shutdown_send(*impl, ec) && ec == asio::error::would_block) {
        const wait_scope waiting(impl->context(), "stream shutdown", where, wait_scope::announced);
        std::tie(ec) = co_await asio::async_initiate<decltype(as_result), void(error_code)>(
            initiate_shutdown{impl}, as_result);
    }
    if (ec) throw failure::from(ec, "shutdown_send failed");
}

awaitable<std::size_t> stream::read(asio::mutable_buffer buffer, std::source_location where) {
    return read_from(impl_, buffer, where);
}
awaitable<void> stream::write(bytes data, std::source_location where) {
    const asio::const_buffer view = data.buffer();
    return write_one(impl_, view, std::move(data), where);
}
awaitable<void> stream::write(asio::const_buffer data, std::source_location where) {
    return write_one(impl_, data, bytes(), where);
}
awaitable<void> stream::write(const_buffers data, std::source_location where) {
    return write_all(impl_, data, where);
}
awaitable<void> stream::shutdown_send(std::source_location where) {
    return shutdown_to(impl_, where);
}

}  // namespace weft::io
