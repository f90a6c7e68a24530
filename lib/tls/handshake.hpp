// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/io/stream.hpp>
#include <weft/tls/server_config.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace weft::tls::detail {

/// Whose handshake it is, for the failure's text.
struct handshake_names {
    std::string who;   ///< "with shop.test", "of a client"
    std::string host;  ///< context of the failure; may be empty
};

/// Who wants to reach a handshake that is under way. Called on the executor of its stream.
class handshake_watch {
  public:
    handshake_watch() = default;
    handshake_watch(const handshake_watch&) = delete;
    handshake_watch& operator=(const handshake_watch&) = delete;
    virtual ~handshake_watch() = default;

    /// The connection, which may be aborted until `ends`.
    virtual void begins(io::stream& below) = 0;
    virtual void ends() noexcept = 0;

    /// The peer has sent something. From any thread.
    std::atomic<bool> heard = false;
};

/// Runs the handshake, within the limit, and gives the stream that lies on it. On the executor of
/// the stream, whoever awaits it; `told` may be null.
awaitable<io::stream> run_handshake(io::stream below, std::unique_ptr<engine> e,
                                    std::chrono::milliseconds limit, handshake_names names,
                                    handshake_watch* told = nullptr);

/// tls::accept in reach of `told`, which outlives it.
awaitable<io::stream> accept(io::stream stream, server_config config, handshake_watch& told);

}  // namespace weft::tls::detail
