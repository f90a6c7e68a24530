// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/detail/resume_mark.hpp>

namespace weft {

namespace asio = boost::asio;

asio::execution_context::id context_info::id;

struct context_info::marking {
    explicit marking(context_info& info) noexcept : mark(info) {}
    detail::resume_mark mark;
    wait_registry waits{wait_registry::keeps::nothing};
};

context_info::context_info(asio::execution_context& context)
    : asio::execution_context::service(context),
      deadlines_(std::make_unique<weft::deadlines>(*this, context)) {}

context_info::~context_info() = default;

context_info& context_info::of(asio::execution_context& context) {
    return asio::use_service<context_info>(context);
}

detail::resume_mark& context_info::keep_mark() {
    const std::lock_guard lock(marking_mutex_);
    if (!marking_) {
        marking_ = std::make_unique<marking>(*this);
        if (wait_registry* const kept = waits()) {
            kept->set_mark(marking_->mark);
        } else {
            marking_->waits.set_mark(marking_->mark);
            waits_.store(&marking_->waits, std::memory_order_release);
        }
        mark_.store(&marking_->mark, std::memory_order_release);
    }
    return marking_->mark;
}

void context_info::shutdown() { deadlines_->shutdown(); }

void context_info::notify_fork(asio::execution_context::fork_event event) {
    if (event == asio::execution_context::fork_child) real_entropy_.forget();
}

}  // namespace weft
