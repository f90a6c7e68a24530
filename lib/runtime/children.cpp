// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/runtime/detail/children.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace weft::detail {

namespace asio = boost::asio;

void throw_aborted() {
    throw boost::system::system_error(asio::error::operation_aborted, "co_await");
}

// --- family

struct family::on_cancel {
    family* of;
    void operator()(asio::cancellation_type_t type) const {
        if (type != asio::cancellation_type::none) of->cancel_all();
    }
};

void family::suspended(resume_handle parent, asio::cancellation_slot slot) {
    parent_ = std::move(parent);
    // Before the children: one of them may cancel us, by a way of its own, from inside its launch.
    if (slot.is_connected() && listens()) slot.assign(on_cancel{this});
    launch();
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        resume_handle handle = std::move(parent_);
        if (!lost_.load(std::memory_order_relaxed))
            resume_by_post(parent_executor_, std::move(handle));
    }
}

void family::leave() {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    // The last: nobody else touches the family now. Once the parent is resumed it may be gone.
    resume_handle handle = std::move(parent_);
    if (lost_.load(std::memory_order_relaxed)) return;  // the context has ended; so does the parent
    const asio::any_io_executor executor = parent_executor_;
    resume_by_dispatch(executor, std::move(handle));
}

// --- child

/// The completion handler of the child's coroutine, and the owner of its place in the family.
struct child::exit {
    using cancellation_slot_type = asio::cancellation_slot;

    explicit exit(child& c) noexcept : of(&c) {}
    exit(exit&& other) noexcept : of(std::exchange(other.of, nullptr)) {}
    exit& operator=(exit&&) = delete;
    ~exit() {
        if (!of) return;
        // Destroyed by an ending context, not called.
        of->family_.lost_.store(true, std::memory_order_relaxed);
        of->release();
    }

    [[nodiscard]] asio::cancellation_slot get_cancellation_slot() const noexcept {
        return of->signal_.slot();
    }
    void operator()(std::exception_ptr e) { std::exchange(of, nullptr)->exited(std::move(e)); }

    child* of;
};

/// Holds the child while an emission travels to its executor.
struct child::emission {
    explicit emission(child& c) noexcept : to(&c) {}
    emission(emission&& other) noexcept : to(std::exchange(other.to, nullptr)) {}
    emission& operator=(emission&&) = delete;
    ~emission() {
        if (to) to->release();
    }

    void operator()() {
        if (to->running_) to->signal_.emit(asio::cancellation_type::terminal);
    }

    child* to;
};

child::child(family& of, asio::any_io_executor on, context_info& info)
    : family_(of), executor_(std::move(on)), counted_(info.live().tasks) {
    family_.enter();
}

void child::start(awaitable<void> body) {
    // Kept until co_spawn has returned: if it throws, the handler that it destroys is not an ending
    // context's.
    references_.fetch_add(1, std::memory_order_relaxed);
    try {
        asio::co_spawn(executor_, std::move(body), exit(*this));
    } catch (...) {
        family_.lost_.store(false, std::memory_order_relaxed);
        return never_started(std::current_exception());
    }
    release();
}

void child::never_started(std::exception_ptr e) { exited(std::move(e)); }

void child::begin() {
    if (cancel_requested()) throw_aborted();
    on_begin();
    running_ = true;
}

void child::failed() noexcept {
    error = std::current_exception();
    try {
        throw;
    } catch (const failure& f) {
        aborted = f.kind() == failure_kind::cancelled;
    } catch (const boost::system::system_error& e) {
        aborted = e.code() == asio::error::operation_aborted;
    } catch (...) {
    }
}

void child::exited(std::exception_ptr e) {
    if (e && !error) error = std::move(e);
    counted_.reset();
    on_end();
    family_.ended(*this);
    release();
}

void child::release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    family& of = family_;
    dispose();
    of.leave();
}

bool child::retain() noexcept {
    std::size_t n = references_.load(std::memory_order_relaxed);
    do {
        if (n == 0) return false;
    } while (!references_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed));
    return true;
}

void child::emit_cancellation() { asio::dispatch(executor_, emission(*this)); }

void child::cancel() {
    if (request_cancel() && retain()) emit_cancellation();
}

}  // namespace weft::detail
