// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/observe.hpp>
#include <weft/runtime/scope.hpp>

#include <memory>

namespace weft {

namespace asio = boost::asio;

namespace detail {

/// A child of a scope; allocated, and freed when it is over.
struct scope_core::spawned final : child_of<void> {
    spawned(scope_core& s, asio::any_io_executor executor, context_info& info, failure_observer o,
            std::source_location w)
        : child_of<void>(s, std::move(executor), info),
          scope(s),
          observer(std::move(o)),
          where(w),
          named(info, "task", w) {}
    ~spawned() override = default;

    void on_begin() override { named.begin(); }
    void dispose() noexcept override {
        {
            const std::lock_guard lock(scope.monitor_);
            (previous ? previous->next : scope.children_) = next;
            if (next) next->previous = previous;
            --scope.size_;
        }
        delete this;
    }

    scope_core& scope;
    failure_observer observer;
    std::source_location where;
    wait_scope named;
    spawned* previous = nullptr;
    spawned* next = nullptr;
};

void scope_core::spawn(asio::any_io_executor executor, awaitable<void> work,
                       failure_observer observer, std::source_location where) {
    context_info& there = context_info::of(executor);
    if (!there.serial()) executor = serialized(std::move(executor));
    auto made =
        std::make_unique<spawned>(*this, std::move(executor), there, std::move(observer), where);
    spawned* const c = made.release();
    {
        const std::lock_guard lock(monitor_);
        c->next = children_;
        if (children_) children_->previous = c;
        children_ = c;
        ++size_;
        if (cancelled_) c->request_cancel();  // it does not begin
    }
    c->launch(std::move(work), true);
}

void scope_core::cancel_all() {
    child* to_cancel = nullptr;
    {
        const std::lock_guard lock(monitor_);
        if (cancelled_) return;
        cancelled_ = true;
        // Kept by `retain` until the emission is through; those that are over already are passed
        // by.
        const auto add = [&](child& c) {
            if (!c.request_cancel() || !c.retain()) return;
            c.next_cancelled = to_cancel;
            to_cancel = &c;
        };
        for (spawned* c = children_; c; c = c->next) add(*c);
        if (body_) add(*body_);
    }
    while (to_cancel) {
        child& c = *std::exchange(to_cancel, to_cancel->next_cancelled);
        c.emit_cancellation();
    }
}

void scope_core::fail(std::exception_ptr e) {
    {
        const std::lock_guard lock(monitor_);
        if (!first_) first_ = std::move(e);
    }
    cancel_all();
}

void scope_core::ended(child& c) {
    if (&c == body_) {
        if (c.error) return fail(c.error);
        return cancel_all();
    }
    if (!c.error || (c.aborted && c.cancel_requested())) return;
    auto& one = static_cast<spawned&>(c);
    if (one.observer) {
        try {
            one.observer(failure::from(c.error), one.where);
            return;
        } catch (...) {
            c.error = std::current_exception();
        }
    }
    fail(c.error);
}

bool scope_core::cancelled() const {
    const std::lock_guard lock(monitor_);
    return cancelled_;
}

std::size_t scope_core::size() const {
    const std::lock_guard lock(monitor_);
    return size_;
}

}  // namespace detail

void task_scope::spawn(awaitable<void> work, std::source_location where) {
    core_.spawn(core_.parent_executor(), std::move(work), nullptr, where);
}

void task_scope::spawn_supervised(awaitable<void> work, failure_observer on_failure,
                                  std::source_location where) {
    core_.spawn(core_.parent_executor(), std::move(work), std::move(on_failure), where);
}

void task_scope::spawn_supervised(awaitable<void> work, const extensions& ext,
                                  std::source_location where) {
    auto kept = std::make_shared<const extensions>(ext.fork());
    spawn_supervised(
        std::move(work),
        [kept](const failure& f, std::source_location spawned_at) {
            log(*kept, severity::error, "task failed",
                {{"error", f.what()}, {"kind", to_string(f.kind())}}, spawned_at);
        },
        where);
}

void task_scope::spawn_on(asio::any_io_executor executor, awaitable<void> work,
                          std::source_location where) {
    core_.spawn(std::move(executor), std::move(work), nullptr, where);
}

void task_scope::cancel() { core_.cancel_all(); }
bool task_scope::cancelled() const { return core_.cancelled(); }
std::size_t task_scope::size() const { return core_.size(); }
const asio::any_io_executor& task_scope::executor() const noexcept {
    return core_.parent_executor();
}

}  // namespace weft
