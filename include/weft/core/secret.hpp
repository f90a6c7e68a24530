// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

/// A value that no record, span, history() or format string ever prints.
///
///     req.extensions().insert(weft::secret<std::string>("hunter2"));
///     authenticate(password.reveal());               // the one way in
///     // fmt::print("{}", password) does not compile
///
/// It has no formatter, no stream operator and no conversion; a structure that holds one should
/// have none either. It does not wipe memory. As thread-safe as T. Equality and hash follow T, so
/// that a secret can belong to a pool key; equality is not constant-time: compare what a peer sent
/// with a function made for it.
template <class T>
class secret {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                  "weft: secret<T> holds a plain value");

  public:
    using value_type = T;

    secret() = default;
    explicit secret(T value) noexcept(std::is_nothrow_move_constructible_v<T>)
        : value_(std::move(value)) {}

    /// The value itself. Search a program for this word to see who reads its secrets.
    [[nodiscard]] const T& reveal() const& noexcept { return value_; }
    [[nodiscard]] T&& reveal() && noexcept { return std::move(value_); }

    friend bool operator==(const secret& a, const secret& b)
        requires requires(const T& x) { x == x; }
    {
        return a.value_ == b.value_;
    }

  private:
    T value_{};
};

template <class T>
inline constexpr bool is_secret = false;
template <class T>
inline constexpr bool is_secret<secret<T>> = true;

}  // namespace weft

template <class T>
    requires requires(const T& v) { std::hash<T>{}(v); }
struct std::hash<weft::secret<T>> {
    std::size_t operator()(const weft::secret<T>& s) const { return std::hash<T>{}(s.reveal()); }
};
