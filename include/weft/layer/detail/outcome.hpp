// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What layers share that look at how a call ended.

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft::detail {

/// The answer of a call, with a value for void too.
template <class Res>
using answer_of = std::conditional_t<std::is_void_v<Res>, std::monostate, Res>;

/// Gives back what `answer_of` holds: the end of a coroutine that answers with Res.
template <class Res>
Res answer_from(std::optional<answer_of<Res>>& held) {
    if constexpr (!std::is_void_v<Res>) return std::move(*held);
}

/// Whether an exception says that the call was cancelled: no failure, and nothing to be counted,
/// tried again or turned into something else.
bool is_cancellation(const std::exception_ptr& e) noexcept;

}  // namespace weft::detail
