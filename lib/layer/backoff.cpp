// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/backoff.hpp>

#include <algorithm>
#include <cmath>

namespace weft {

clock::duration backoff::bound(unsigned n) const noexcept {
    if (n == 0 || first <= clock::duration::zero()) return clock::duration::zero();
    const double most = static_cast<double>(std::max(max, clock::duration::zero()).count());
    const double grown = static_cast<double>(first.count()) *
                         std::pow(std::max(factor, 1.0), static_cast<double>(n - 1));
    if (!(grown < most)) return std::max(max, clock::duration::zero());
    return clock::duration(static_cast<clock::duration::rep>(grown));
}

clock::duration backoff::delay(unsigned n, entropy& random) const noexcept {
    const auto most = static_cast<std::uint64_t>(bound(n).count());
    return clock::duration(static_cast<clock::duration::rep>(random.below(most + 1)));
}

}  // namespace weft
