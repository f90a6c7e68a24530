// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

/// A value, or the failure in its place. `value()` and `*r` give the value or throw the failure;
/// `error()` gives the failure and must only be asked of a result without a value.
template <class T>
class [[nodiscard]] result {
  public:
    using value_type = T;

    result(T value)
        : held_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
    result(failure f)
        : held_(std::in_place_index<1>, std::move(f)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    T& value() & { return checked(), std::get<0>(held_); }
    const T& value() const& { return checked(), std::get<0>(held_); }
    T&& value() && { return checked(), std::get<0>(std::move(held_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    [[nodiscard]] const failure& error() const { return std::get<1>(held_); }

  private:
    void checked() const {
        if (const failure* f = std::get_if<1>(&held_)) throw failure(*f);
    }
    std::variant<T, failure> held_;
};

/// A result of nothing: success, or the failure.
template <>
class [[nodiscard]] result<void> {
  public:
    using value_type = void;

    result() noexcept = default;
    result(failure f) : failure_(std::move(f)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool has_value() const noexcept { return !failure_; }
    explicit operator bool() const noexcept { return has_value(); }
    void value() const {
        if (failure_) throw failure(*failure_);
    }
    [[nodiscard]] const failure& error() const { return failure_.value(); }

  private:
    std::optional<failure> failure_;
};

/// Turns what an awaitable throws into a value, classified by `failure::from`. Never throws itself.
///
///     if (auto r = co_await attempt(client.get(url).send())) use(*r);
///     else log(r.error().what());
template <class T>
awaitable<result<T>> attempt(awaitable<T> operation) {
    std::exception_ptr thrown;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(operation);
            co_return result<T>();
        } else {
            co_return result<T>(co_await std::move(operation));
        }
    } catch (...) {
        thrown = std::current_exception();
    }
    co_return result<T>(failure::from(std::move(thrown)));
}

}  // namespace weft
