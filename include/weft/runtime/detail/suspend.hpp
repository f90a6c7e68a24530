// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// How the waits of this room suspend a coroutine:
// without a frame, and without memory, of their own.

#include <weft/core/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// What continues a suspended coroutine: its Asio handler, in place. It owns the coroutine:
/// dropping it destroys the coroutine's frames (by post, as Asio does).
class resume_handle {
  public:
    resume_handle() noexcept = default;

    template <class Handler>
        requires(!std::is_same_v<std::remove_cvref_t<Handler>, resume_handle>)
    explicit resume_handle(Handler&& handler) {
        using type = std::remove_cvref_t<Handler>;
        static_assert(sizeof(type) <= sizeof(storage_) && alignof(type) <= alignof(void*));
        static_assert(std::is_nothrow_move_constructible_v<type>);
        ::new (static_cast<void*>(storage_)) type(std::forward<Handler>(handler));
        table_ = &table_of<type>;
    }

    resume_handle(resume_handle&& other) noexcept : table_(std::exchange(other.table_, nullptr)) {
        if (table_) table_->relocate(other.storage_, storage_);
    }
    resume_handle& operator=(resume_handle&& other) noexcept {
        if (this != &other) {
            resume_handle gone(std::move(*this));
            table_ = std::exchange(other.table_, nullptr);
            if (table_) table_->relocate(other.storage_, storage_);
        }
        return *this;
    }
    ~resume_handle() {
        if (table_) table_->destroy(storage_);
    }

    [[nodiscard]] explicit operator bool() const noexcept { return table_ != nullptr; }

    /// Continues the coroutine, here and now: call it on the coroutine's executor only.
    void operator()() && { std::exchange(table_, nullptr)->call(storage_); }

  private:
    struct table {
        void (*relocate)(void* from, void* to) noexcept;
        void (*destroy)(void*) noexcept;
        void (*call)(void*);  // leaves the storage empty
    };
    template <class H>
    static constexpr table table_of{
        [](void* from, void* to) noexcept {
            H* const h = std::launder(static_cast<H*>(from));
            ::new (to) H(std::move(*h));
            h->~H();
        },
        [](void* p) noexcept { std::launder(static_cast<H*>(p))->~H(); },
        [](void* p) {
            H* const stored = std::launder(static_cast<H*>(p));
            H h(std::move(*stored));
            stored->~H();
            std::move(h)();
        },
    };

    const table* table_ = nullptr;
    alignas(void*) std::byte storage_[4 * sizeof(void*)];
};

/// Continues the coroutine on `executor`, never from inside this call.
void resume_by_post(const boost::asio::any_io_executor& executor, resume_handle handle);
/// Continues the coroutine on `executor`, from inside this call if that is where we are.
void resume_by_dispatch(const boost::asio::any_io_executor& executor, resume_handle handle);

/// `co_await op` with `suspend_into<W> op{&w}` suspends the coroutine, then calls
/// `w.suspended(handle, slot)`, where the slot is that of the coroutine's cancellation. It gives
/// nothing back: what happened is in `w`.
template <class W>
struct suspend_into {
    W* target;

    // Not a pointer: Asio's promise asks whether it could call this with its frame.
    template <class Token>
        requires(!std::is_pointer_v<std::remove_reference_t<Token>>)
    auto operator()(Token&& token) const {
        return boost::asio::async_initiate<Token, void()>(
            [w = target](auto&& handler) {
                boost::asio::cancellation_slot slot =
                    boost::asio::get_associated_cancellation_slot(handler);
                w->suspended(resume_handle(std::forward<decltype(handler)>(handler)), slot);
            },
            token);
    }
};

}  // namespace weft::detail
