// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/core/type_name.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <type_traits>

namespace weft {

/// What every generic layer may ask of any request.

namespace detail {

struct extensions_of_t {
    /// The request's store, or nullptr for a type that carries none.
    ///
    ///     if (const extensions* ext = extensions_of(request)) ext->insert(attempt_number{2});
    template <class T>
    const extensions* operator()(const T& message) const noexcept {
        if constexpr (std::same_as<T, extensions>)
            return &message;
        else if constexpr (requires {
                               { message.extensions() } -> std::convertible_to<const extensions&>;
                           })
            return &message.extensions();
        else
            return nullptr;
    }
};

struct replay_t {
    /// A second copy of the request, or nullopt when it cannot be sent again (its body is a stream
    /// that was begun). Retry, hedging and redirects ask this before the first try. A type says so
    /// with a member `replay() const`; one without it is replayable when it can be copied.
    template <class T>
    std::optional<T> operator()(const T& request) const {
        if constexpr (requires {
                          { request.replay() } -> std::same_as<std::optional<T>>;
                      })
            return request.replay();
        else if constexpr (std::copy_constructible<T>)
            return request;
        else
            return std::nullopt;
    }
};

struct call_name_t {
    /// What a log line calls the request: its member `call_name()` ("GET /cart"), else its type.
    /// Never holds a secret.
    template <class T>
    std::string operator()(const T& request) const {
        if constexpr (requires {
                          { request.call_name() } -> std::convertible_to<std::string>;
                      })
            return request.call_name();
        else
            return std::string(type_name<T>());
    }
};

}  // namespace detail

inline constexpr detail::call_name_t call_name{};
inline constexpr detail::extensions_of_t extensions_of{};
inline constexpr detail::replay_t replay{};

}  // namespace weft
