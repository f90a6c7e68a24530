// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/layer.hpp>
#include <weft/core/type_name.hpp>

#include <string>
#include <string_view>

namespace weft::http::detail {

/// How `client::describe` calls a type: what a static member `stack_name` says, else its name
/// without namespaces and template arguments.
std::string stack_name(std::string_view type);

template <class T>
struct names_of {
    static std::string get() {
        if constexpr (requires { std::string(T::stack_name); })
            return std::string(T::stack_name);
        else
            return stack_name(type_name<T>());
    }
};
template <class L, class S>
struct names_of<layered<L, S>> {
    static std::string get() { return names_of<L>::get() + " -> " + names_of<S>::get(); }
};
template <class A, class B>
struct names_of<layer_chain<A, B>> {
    static std::string get() { return names_of<A>::get() + " -> " + names_of<B>::get(); }
};

/// The layers and the service that a type is composed of, outermost first.
template <class Stack>
std::string stack_names() {
    return names_of<Stack>::get();
}

}  // namespace weft::http::detail
