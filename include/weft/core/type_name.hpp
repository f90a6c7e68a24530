// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

// A static_assert whose message is computed (C++26, P2741): Clang takes it in C++26 mode only, GCC
// >= 14 in every mode.
#if defined(__clang__)
#if defined(__cpp_static_assert) && __cpp_static_assert >= 202306L
#define WEFT_COMPUTED_ASSERTS 1
#endif
#elif __GNUC__ >= 14
#define WEFT_COMPUTED_ASSERTS 1
#endif

namespace weft {

/// The name of a type as the compiler spells it: for messages, never to be parsed.
///
///     static_assert(type_name<int>() == "int");
template <class T>
consteval std::string_view type_name() {
    if constexpr (std::is_same_v<T, std::string>) {
        return "std::string";  // instead of basic_string with all its parameters
    } else {
        std::string_view name = __PRETTY_FUNCTION__;
        const std::size_t begin = name.find("T = ") + 4;
        const std::size_t end = name.find_first_of(";", begin);
        name = name.substr(begin, (end == name.npos ? name.rfind(']') : end) - begin);
        return name;
    }
}

namespace detail {

/// A text put together at compile time, in the form that static_assert takes.
template <std::size_t Capacity>
struct fixed_text {
    std::array<char, Capacity> text{};
    std::size_t length = 0;

    constexpr fixed_text& operator<<(std::string_view part) {
        for (char c : part) text[length++] = c;
        return *this;
    }
    [[nodiscard]] constexpr const char* data() const { return text.data(); }
    [[nodiscard]] constexpr std::size_t size() const { return length; }
};

}  // namespace detail
}  // namespace weft
