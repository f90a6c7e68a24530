// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "shutdown_hooks.hpp"

#include <boost/asio/query.hpp>

namespace weft::io::detail {

boost::asio::execution_context::id shutdown_hooks::id;

void shutdown_hooks::hook::add(const boost::asio::any_io_executor& executor) {
    auto& context = boost::asio::query(executor, boost::asio::execution::context);
    auto& service = boost::asio::use_service<shutdown_hooks>(context);
    std::lock_guard lock(service.mutex_);
    owner_ = &service;
    next_ = service.first_;
    if (next_) next_->previous_ = this;
    service.first_ = this;
}

void shutdown_hooks::hook::remove() noexcept {
    if (!owner_) return;
    std::lock_guard lock(owner_->mutex_);
    (previous_ ? previous_->next_ : owner_->first_) = next_;
    if (next_) next_->previous_ = previous_;
    next_ = previous_ = nullptr;
    owner_ = nullptr;
}

void shutdown_hooks::shutdown() {
    for (;;) {
        hook* first = nullptr;
        {
            std::lock_guard lock(mutex_);
            first = first_;
            if (!first) return;
            first_ = first->next_;
            if (first_) first_->previous_ = nullptr;
            first->next_ = nullptr;
            first->owner_ = nullptr;
        }
        first->on_context_shutdown();
    }
}

}  // namespace weft::io::detail
