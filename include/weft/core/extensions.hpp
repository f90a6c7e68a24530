// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once
// CONTRACT DRAFT, replaced by the real one
namespace weft {
class extensions {
  public:
    extensions() noexcept = default;
};
}  // namespace weft
