// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/head.hpp>

#include <cstdint>

namespace weft::http::h1 {

/// How the content of a message is delimited (RFC 9112 6.3).
///
///     switch (decoder.traits().body.how) { case h1::framing::kind::chunked: ... }
struct framing {
    enum class kind : std::uint8_t {
        none,         ///< there is no content
        length,       ///< `length` bytes, may be 0
        chunked,      ///< the chunked coding, then perhaps trailers
        until_close,  ///< responses only: all that comes until the connection ends
        upgrade       ///< the connection leaves HTTP here, or may: 101, CONNECT and its 2xx
    };

    kind how = kind::none;
    std::uint64_t length = 0;

    [[nodiscard]] static constexpr framing none() noexcept { return {}; }
    [[nodiscard]] static constexpr framing sized(std::uint64_t n) noexcept {
        return {kind::length, n};
    }
    [[nodiscard]] static constexpr framing chunked() noexcept { return {kind::chunked, 0}; }
    [[nodiscard]] static constexpr framing until_close() noexcept { return {kind::until_close, 0}; }
    [[nodiscard]] static constexpr framing upgrade() noexcept { return {kind::upgrade, 0}; }

    /// Whether no byte of content follows the head.
    [[nodiscard]] constexpr bool empty() const noexcept {
        return how == kind::none || how == kind::upgrade || (how == kind::length && length == 0);
    }
    friend constexpr bool operator==(framing, framing) noexcept = default;
};

[[nodiscard]] std::string_view to_string(framing::kind) noexcept;

/// What the Expect field of a request asks for (RFC 9110 10.1.1).
enum class expectation : std::uint8_t {
    none,
    continue_,  ///< 100-continue: the client waits for 100 or a final answer before it sends the
                ///< content
    unknown     ///< something else: a server may answer 417
};

/// What the head of a message says about its connection and its content.
struct traits {
    framing body;
    /// Whether the sender lets the connection be used again after this message (RFC 9112 9.3).
    bool keep_alive = false;
    /// Whether the message asks for, or agrees to, another protocol: Upgrade with Connection:
    /// upgrade (RFC 9110 7.8). A server may only switch once it has read the content.
    bool upgrade = false;
    expectation expect = expectation::none;
};

/// Whether the version and the Connection field let the connection persist (RFC 9112 9.3).
[[nodiscard]] bool keep_alive(version, const headers&) noexcept;
/// Whether Upgrade and Connection: upgrade are there, in a version that has them.
[[nodiscard]] bool wants_upgrade(version, const headers&) noexcept;
[[nodiscard]] expectation expectation_of(version, const headers&) noexcept;

}  // namespace weft::http::h1
