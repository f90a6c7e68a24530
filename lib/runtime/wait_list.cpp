// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/detail/children.hpp>
#include <weft/runtime/detail/wait_list.hpp>

#include <boost/asio/execution_context.hpp>

namespace weft::detail {

namespace asio = boost::asio;

/// All waiting coroutines of one execution context. A waiter's handle, which owns its coroutine,
/// sits in that coroutine's own frame; so when a context ends with coroutines still waiting,
/// somebody must know of them to destroy them.
class wait_service final : public asio::execution_context::service {
  public:
    static asio::execution_context::id id;

    explicit wait_service(asio::execution_context& context)
        : asio::execution_context::service(context) {}

    void add(waiter& w) noexcept {
        const std::lock_guard lock(mutex_);
        if (shut_) return;
        w.service_ = this;
        w.service_previous_ = nullptr;
        w.service_next_ = first_;
        if (first_) first_->service_previous_ = &w;
        first_ = &w;
    }

    void remove(waiter& w) noexcept {
        const std::lock_guard lock(mutex_);
        unlink(w);
    }

  private:
    void unlink(waiter& w) noexcept {
        if (!w.service_) return;
        (w.service_previous_ ? w.service_previous_->service_next_ : first_) = w.service_next_;
        if (w.service_next_) w.service_next_->service_previous_ = w.service_previous_;
        w.service_ = nullptr;
    }

    void shutdown() override {
        for (;;) {
            resume_handle gone;
            {
                const std::lock_guard lock(mutex_);
                shut_ = true;
                if (!first_) return;
                gone = std::move(first_->handle_);
                unlink(*first_);
            }
        }
    }

    std::mutex mutex_;
    waiter* first_ = nullptr;
    bool shut_ = false;
};

asio::execution_context::id wait_service::id;

// --- waitable

void waitable::withdrawn(wait_list&) noexcept {}

void abandon(waitable& owner, wait_list& list) noexcept {
    wait_list ready;
    {
        const std::lock_guard lock(owner.monitor);
        list.finish_all(waiter::outcome::aborted, ready);
    }
    ready.resume_all();
}

// --- waiter

struct waiter::on_cancel {
    waiter* of;
    void operator()(asio::cancellation_type_t type) const {
        if (type != asio::cancellation_type::none) of->cancel();
    }
};

waiter::waiter(waitable& owner, wait_list& home, asio::any_io_executor executor, const char* what,
               std::source_location where)
    : owner_(&owner),
      home_(home),
      executor_(std::move(executor)),
      info_(context_info::of(executor_)),
      counted_(info_.live().waiters),
      named_(info_, what, where) {}

waiter::~waiter() {
    // Usually over: resumed. Otherwise the frame is being destroyed while it waits.
    if (service_) service_->remove(*this);
    if (waitable* const owner = owner_.load(std::memory_order_acquire)) {
        const std::lock_guard lock(owner->monitor);
        if (owner_.load(std::memory_order_relaxed) && list_) list_->remove(*this);
    }
}

void waiter::suspended(resume_handle handle, asio::cancellation_slot slot) {
    handle_ = std::move(handle);
    asio::use_service<wait_service>(
        static_cast<asio::execution_context&>(asio::query(executor_, asio::execution::context)))
        .add(*this);
    // A cancellation comes on our executor, so not before this returns; a grant may come as soon as
    // we are listed.
    if (slot.is_connected()) slot.assign(on_cancel{this});
    wait_list ready;
    {
        waitable& owner = *owner_.load(std::memory_order_relaxed);
        const std::lock_guard lock(owner.monitor);
        if (attempt(ready)) {
            owner_.store(nullptr, std::memory_order_release);
            ready.append(*this);
        } else {
            home_.append(*this);
        }
    }
    ready.resume_all();
}

void waiter::cancel() {
    waitable* const owner = owner_.load(std::memory_order_acquire);
    if (!owner) return;  // decided already
    wait_list ready;
    {
        const std::lock_guard lock(owner->monitor);
        if (!owner_.load(std::memory_order_relaxed)) return;  // while we waited for the lock
        list_->remove(*this);
        result = outcome::aborted;
        owner_.store(nullptr, std::memory_order_release);
        ready.append(*this);
        owner->withdrawn(ready);
    }
    ready.resume_all();
}

void waiter::resume() {
    if (service_) service_->remove(*this);
    resume_handle handle = std::move(handle_);
    if (!handle) return;  // the context has ended and taken it
    const asio::any_io_executor executor = executor_;
    resume_by_post(executor, std::move(handle));
}

void waiter::check() const {
    if (result == outcome::aborted) throw_aborted();
}

// --- wait_list

void wait_list::append(waiter& w) noexcept {
    w.list_ = this;
    w.previous_ = last_;
    w.next_ = nullptr;
    (last_ ? last_->next_ : first_) = &w;
    last_ = &w;
    ++size_;
}

void wait_list::remove(waiter& w) noexcept {
    (w.previous_ ? w.previous_->next_ : first_) = w.next_;
    (w.next_ ? w.next_->previous_ : last_) = w.previous_;
    w.list_ = nullptr;
    --size_;
}

void wait_list::finish_first(waiter::outcome result, wait_list& ready) noexcept {
    waiter& w = *first_;
    remove(w);
    w.result = result;
    w.owner_.store(nullptr, std::memory_order_release);
    ready.append(w);
}

void wait_list::resume_all() {
    while (first_) {
        waiter& w = *first_;
        remove(w);
        w.resume();
    }
}

}  // namespace weft::detail
