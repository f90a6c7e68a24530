// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

namespace weft {

namespace asio = boost::asio;

asio::execution_context::id context_info::id;

context_info::context_info(asio::execution_context& context)
    : asio::execution_context::service(context),
      deadlines_(std::make_unique<weft::deadlines>(*this, context)) {}

context_info::~context_info() = default;

context_info& context_info::of(asio::execution_context& context) {
    return asio::use_service<context_info>(context);
}

void context_info::shutdown() { deadlines_->shutdown(); }

void context_info::notify_fork(asio::execution_context::fork_event event) {
    if (event == asio::execution_context::fork_child) real_entropy_.forget();
}

}  // namespace weft
