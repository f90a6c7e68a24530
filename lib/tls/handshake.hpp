// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/io/stream.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace weft::tls::detail {

/// Whose handshake it is, for the failure's text.
struct handshake_names {
    std::string who;   ///< "with shop.test", "of a client"
    std::string host;  ///< context of the failure; may be empty
};

/// Runs the handshake, within the limit, and gives the stream that lies on it.
awaitable<io::stream> run_handshake(io::stream below, std::unique_ptr<engine> e,
                                    std::chrono::milliseconds limit, handshake_names names);

}  // namespace weft::tls::detail
