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

/// What others may see of a handshake that is under way. From any thread.
struct handshake_progress {
    std::atomic<bool> heard = false;  ///< the peer has sent something
};

/// Runs the handshake, within the limit, and gives the stream that lies on it. On the executor of
/// the stream, whoever awaits it; `told` may be null.
awaitable<io::stream> run_handshake(io::stream below, std::unique_ptr<engine> e,
                                    std::chrono::milliseconds limit, handshake_names names,
                                    handshake_progress* told = nullptr);

/// tls::accept that says how far it is. `told` outlives it.
awaitable<io::stream> accept(io::stream stream, server_config config, handshake_progress& told);

}  // namespace weft::tls::detail
