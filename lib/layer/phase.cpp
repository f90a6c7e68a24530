// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/phase.hpp>

#include <fmt/format.h>

#include <chrono>
#include <new>

namespace weft {

void phase_timer::end() noexcept {
    if (!ext_) return;
    const extensions* const ext = ext_;
    ext_ = nullptr;
    try {
        ext->insert(phase{name_, time_.now() - began_}, where_);
    } catch (const std::bad_alloc&) {
        return;  // a measurement is not worth a failed call
    }
}

}  // namespace weft

fmt::format_context::iterator fmt::formatter<weft::phase>::format(const weft::phase& p,
                                                                  fmt::format_context& out) const {
    return fmt::format_to(out.out(), "{}={}ms", p.name,
                          std::chrono::duration_cast<std::chrono::milliseconds>(p.took).count());
}
