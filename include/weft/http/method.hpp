// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/http/detail/chars.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string_view>

namespace weft::http {

/// A request method: one of the well known, or any other token.
///
///     if (req.method() == http::method::get) ...
///     http::method purge("PURGE");
///     switch (req.method().id()) { case http::method::known::post: ... }
///
/// A value of 24 bytes that owns its text and never allocates. Methods are case-sensitive (RFC
/// 9110 9.1). Tokens longer than `max_size` are refused: a server answers 501 to a method longer
/// than any it knows (RFC 9112 3).
class method {
  public:
    /// The methods that have a number, for `switch`.
    enum class known : std::uint8_t {
        other,
        get,
        head,
        post,
        put,
        delete_,
        connect,
        options,
        trace,
        patch
    };

    /// The longest token a method can hold. The longest registered one has 17 characters.
    static constexpr std::size_t max_size = 22;

    static const method get, head, post, put, delete_, connect, options, trace, patch;

    /// GET.
    constexpr method() noexcept : method(known::get, "GET") {}

    /// Throws failure(invalid_input) when `token` is no token, or longer than `max_size`.
    constexpr explicit method(std::string_view token) {
        if (token.size() > max_size || !detail::is_token(token)) refuse(token);
        *this = method(recognize(token), token);
    }

    /// As the constructor, but gives nullopt instead of throwing.
    static constexpr std::optional<method> parse(std::string_view token) noexcept {
        if (token.size() > max_size || !detail::is_token(token)) return std::nullopt;
        return method(recognize(token), token);
    }

    [[nodiscard]] constexpr known id() const noexcept { return rep_.id; }
    /// The token as on the wire.
    [[nodiscard]] constexpr std::string_view text() const noexcept {
        return {rep_.text.data(), rep_.size};
    }

    /// Whether the method asks for nothing to be changed (RFC 9110 9.2.1, and the registry for
    /// WebDAV's methods).
    [[nodiscard]] bool safe() const noexcept;
    /// Whether sending it twice has the effect of sending it once, so that it may be sent again
    /// (RFC 9110 9.2.2).
    [[nodiscard]] bool idempotent() const noexcept;

    friend constexpr bool operator==(const method& a, const method& b) noexcept {
        return std::bit_cast<words>(a.rep_) == std::bit_cast<words>(b.rep_);
    }
    friend constexpr bool operator==(const method& a, std::string_view b) noexcept {
        return a.text() == b;
    }
    friend constexpr std::string_view to_string(const method& m) noexcept { return m.text(); }
    friend std::ostream& operator<<(std::ostream&, const method&);

  private:
    using words = std::array<std::uint64_t, 3>;
    struct rep {
        known id;
        std::uint8_t size;
        std::array<char, max_size> text;
    };

    constexpr method(known id, std::string_view token) noexcept
        : rep_{id, static_cast<std::uint8_t>(token.size()), {}} {
        for (std::size_t i = 0; i < token.size(); ++i) rep_.text[i] = token[i];
    }
    static constexpr known recognize(std::string_view token) noexcept {
        switch (token.size()) {
            case 3:
                return token == "GET" ? known::get : token == "PUT" ? known::put : known::other;
            case 4:
                return token == "POST" ? known::post : token == "HEAD" ? known::head : known::other;
            case 5:
                return token == "PATCH"   ? known::patch
                       : token == "TRACE" ? known::trace
                                          : known::other;
            case 6:
                return token == "DELETE" ? known::delete_ : known::other;
            case 7:
                return token == "OPTIONS"   ? known::options
                       : token == "CONNECT" ? known::connect
                                            : known::other;
            default:
                return known::other;
        }
    }
    [[noreturn]] static void refuse(std::string_view token);

    rep rep_;
};

inline constexpr method method::get{known::get, "GET"};
inline constexpr method method::head{known::head, "HEAD"};
inline constexpr method method::post{known::post, "POST"};
inline constexpr method method::put{known::put, "PUT"};
inline constexpr method method::delete_{known::delete_, "DELETE"};
inline constexpr method method::connect{known::connect, "CONNECT"};
inline constexpr method method::options{known::options, "OPTIONS"};
inline constexpr method method::trace{known::trace, "TRACE"};
inline constexpr method method::patch{known::patch, "PATCH"};

}  // namespace weft::http
