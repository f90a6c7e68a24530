// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/detail/outcome.hpp>

namespace weft::detail {

bool is_cancellation(const std::exception_ptr& e) noexcept {
    return e && failure::from(e).kind() == failure_kind::cancelled;
}

}  // namespace weft::detail
