// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_pump.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/body.hpp>
#include <weft/http/h1/body.hpp>
#include <weft/http/h1/encoder.hpp>
#include <weft/runtime/clock.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace weft::http::detail {

/// The content that is coming in on a connection, in either role: what a body pulls from. There is
/// one at a time; when it is over, or the connection is, a body that still looks here is told so.
class h1_inbound {
  public:
    struct options {
        std::chrono::milliseconds timeout{30'000};  ///< between two pieces
        std::uint64_t min_rate = 0;                 ///< bytes a second, after `timeout` of waiting
        bool of_requests = false;  ///< a server's: what is wrong with it is its client's fault
    };

    h1_inbound(byte_pump& pump, options o) : pump_(pump), options_(o) {}

    /// Starts a content, and gives the body to pull it with: an empty one when the framing says so.
    http::body open(h1::framing framing, const h1::limits& limits);

    /// Whether bytes of it are still to come.
    [[nodiscard]] bool is_open() const noexcept { return open_; }
    /// Whether somebody still holds its body.
    [[nodiscard]] bool is_held() const noexcept { return held_; }
    [[nodiscard]] const h1::body_decoder& decoder() const noexcept { return decoder_; }
    /// Whether it broke the protocol or the connection, so that nothing may be read after it.
    [[nodiscard]] bool failed() const noexcept { return failed_; }

    /// Before the first pull: the peer waits to be told to go on (Expect: 100-continue).
    void hold_until_pulled() noexcept { waits_for_continue_ = true; }
    [[nodiscard]] bool waits_for_continue() const noexcept { return waits_for_continue_; }
    /// Tells it so now, if it waits.
    void let_continue();

    /// Whoever holds the body gets nothing from now on: the rest is the driver's, by step().
    void take_over() noexcept;
    /// The same, and the content is over: so is the exchange, or the connection.
    void detach() noexcept;

    /// Called when the content has come to its end, or its body was dropped.
    std::function<void()> on_release;

    struct pulled {
        std::optional<weft::bytes> data;
        headers trailers;  // with the end
    };
    /// The next piece, or nullopt at the end; `serial` names the content that the body was made
    /// for. Hops to the connection's executor.
    static awaitable<pulled> pull(std::shared_ptr<byte_pump> keep, h1_inbound* self,
                                  std::uint64_t serial);

    /// One step without waiting: a piece, nullopt in it at the end, or nothing when more input is
    /// needed. Throws a failure when the content is refused or cut off.
    struct piece {
        bool need_more = false;
        std::optional<weft::bytes> data;
    };
    piece step();

  private:
    class source;

    void drop(std::uint64_t serial);
    awaitable<pulled> pull_here(std::uint64_t serial);
    [[noreturn]] void fail(failure f);
    void check_rate();
    /// What a server answers whose application lets the failure pass: for a request's body the
    /// first; for a response's, which the application asked for as a client, the second.
    [[nodiscard]] http::status blame(http::status ours, http::status upstream) const noexcept {
        return options_.of_requests ? ours : upstream;
    }

    byte_pump& pump_;
    options options_;
    h1::body_decoder decoder_;
    headers trailers_;
    std::atomic<std::uint64_t> serial_{
        0};  // of the content that is open; a body with another one is stale
    std::uint64_t delivered_ = 0;
    std::size_t in_a_row_ = 0;  // delivered without waiting
    clock::duration waited_{};
    bool open_ = false;
    bool held_ = false;
    bool pulling_ = false;
    bool failed_ = false;
    bool waits_for_continue_ = false;
};

}  // namespace weft::http::detail
