// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// How a completion handler becomes an operation: one block from the handler's associated allocator
// (Asio's recycling one unless the handler says otherwise), freed before the handler runs.

#include <weft/io/operation.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft::io::detail {

/// The first max_buffers non-empty buffers of a sequence.
template <class Buffer, class Sequence>
class buffer_array {
    static constexpr std::size_t capacity =
        std::is_convertible_v<const Sequence&, Buffer> ? 1 : max_buffers;

  public:
    explicit buffer_array(const Sequence& sequence) {
        auto end = boost::asio::buffer_sequence_end(sequence);
        for (auto i = boost::asio::buffer_sequence_begin(sequence); i != end && count_ < capacity;
             ++i) {
            const Buffer b(*i);
            if (b.size() > 0) items_[count_++] = b;
        }
    }
    [[nodiscard]] std::span<const Buffer> span() const noexcept { return {items_.data(), count_}; }

  private:
    std::array<Buffer, capacity> items_;
    std::size_t count_ = 0;
};

struct no_buffers {
    [[nodiscard]] std::span<const boost::asio::const_buffer> span() const noexcept { return {}; }
};

template <bool WithBytes, class Handler, class Buffers>
class handler_operation final : public operation {
    using executor_type = boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>;
    using tracked_executor = std::decay_t<decltype(boost::asio::prefer(
        std::declval<const executor_type&>(), boost::asio::execution::outstanding_work.tracked))>;
    using allocator_type = typename std::allocator_traits<boost::asio::associated_allocator_t<
        Handler, boost::asio::recycling_allocator<void>>>::template rebind_alloc<handler_operation>;
    using allocator_traits = std::allocator_traits<allocator_type>;

  public:
    template <class H>
    handler_operation(const boost::asio::any_io_executor& stream_executor, const Buffers& buffers,
                      H&& handler)
        : operation(&run), handler_(std::forward<H>(handler)), buffers_(buffers) {
        executor_type own = boost::asio::get_associated_executor(handler_, stream_executor);
        if constexpr (std::is_same_v<executor_type, boost::asio::any_io_executor>) {
            if (own == stream_executor) return;
        }
        elsewhere_.emplace(
            boost::asio::prefer(own, boost::asio::execution::outstanding_work.tracked));
    }
    ~handler_operation() = default;

    template <class H>
    static handler_operation& make(const boost::asio::any_io_executor& stream_executor,
                                   const Buffers& buffers, H&& handler) {
        allocator_type allocator(boost::asio::get_associated_allocator(
            handler, boost::asio::recycling_allocator<void>()));
        handler_operation* made = allocator_traits::allocate(allocator, 1);
        try {
            ::new (static_cast<void*>(made))
                handler_operation(stream_executor, buffers, std::forward<H>(handler));
        } catch (...) {
            allocator_traits::deallocate(allocator, made, 1);
            throw;
        }
        auto slot = boost::asio::get_associated_cancellation_slot(made->handler_);
        if (slot.is_connected()) slot.template emplace<canceller>(made);
        return *made;
    }

    [[nodiscard]] auto buffers() const noexcept { return buffers_.span(); }

  private:
    /// Asio calls it on the executor of the stream, while the operation is pending.
    struct canceller {
        operation* target;
        explicit canceller(operation* t) noexcept : target(t) {}
        void operator()(boost::asio::cancellation_type type) const noexcept;
    };

    static void run(operation& base, const outcome* result) {
        auto& self = static_cast<handler_operation&>(base);
        if (result) {
            auto slot = boost::asio::get_associated_cancellation_slot(self.handler_);
            if (slot.is_connected()) slot.clear();
        }
        // All is moved out and the block given back before the handler runs, so that its next
        // operation finds it.
        outcome copy = result ? *result : outcome();
        std::optional<tracked_executor> elsewhere(std::move(self.elsewhere_));
        Handler handler(std::move(self.handler_));
        allocator_type allocator(boost::asio::get_associated_allocator(
            handler, boost::asio::recycling_allocator<void>()));
        allocator_traits::destroy(allocator, &self);
        allocator_traits::deallocate(allocator, &self, 1);
        if (!result) return;
        if constexpr (WithBytes) {
            if (elsewhere)
                boost::asio::dispatch(
                    *elsewhere, boost::asio::append(std::move(handler), copy.code, copy.bytes));
            else
                std::move(handler)(copy.code, copy.bytes);
        } else {
            if (elsewhere)
                boost::asio::dispatch(*elsewhere,
                                      boost::asio::append(std::move(handler), copy.code));
            else
                std::move(handler)(copy.code);
        }
    }

    Handler handler_;
    Buffers buffers_;
    std::optional<tracked_executor> elsewhere_;  // the handler's executor, kept at work
};

template <bool WithBytes, class Handler, class Buffers>
void handler_operation<WithBytes, Handler, Buffers>::canceller::operator()(
    boost::asio::cancellation_type type) const noexcept {
    using enum boost::asio::cancellation_type;
    // A cancelled write closes the write side: an effect, which `total` excludes.
    constexpr bool is_read =
        std::is_same_v<std::remove_cvref_t<decltype(*std::declval<Buffers>().span().data())>,
                       boost::asio::mutable_buffer>;
    if ((type & (terminal | partial)) != none || (is_read && (type & total) != none))
        target->cancel();
}

template <bool WithBytes, class Buffers, class Handler>
auto& make_operation(const boost::asio::any_io_executor& executor, const Buffers& buffers,
                     Handler&& handler) {
    return handler_operation<WithBytes, std::decay_t<Handler>, Buffers>::make(
        executor, buffers, std::forward<Handler>(handler));
}

}  // namespace weft::io::detail
