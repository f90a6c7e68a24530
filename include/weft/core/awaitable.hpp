// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/asio/awaitable.hpp>

#include <type_traits>

namespace weft {

/// The one coroutine type: Boost.Asio's, with the type-erased executor. Any Asio program can await
/// it or co_spawn it.
template <class T>
using awaitable = boost::asio::awaitable<T>;

template <class T>
struct awaitable_value;
template <class T, class Executor>
struct awaitable_value<boost::asio::awaitable<T, Executor>> {
    using type = T;
};

/// The T of an `awaitable<T>`.
template <class A>
using awaitable_value_t = typename awaitable_value<std::remove_cvref_t<A>>::type;

template <class A>
concept is_awaitable = requires { typename awaitable_value_t<A>; };

}  // namespace weft
