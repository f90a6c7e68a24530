// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/clock.hpp>

namespace weft {

clock::time_point clock::now() const noexcept { return std::chrono::steady_clock::now(); }

clock::wall_time_point clock::wall_now() const noexcept { return std::chrono::system_clock::now(); }

}  // namespace weft
