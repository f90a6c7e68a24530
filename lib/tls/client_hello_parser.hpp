// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/tls/client_hello.hpp>

#include <string>
#include <string_view>

namespace weft::tls::detail {

/// Reads a whole handshake message, its four bytes of header included; false: it is no ClientHello
/// that anyone should act upon, and `hello` is empty.
bool parse_hello_message(std::string_view message, client_hello& hello);

/// Reads the content of the extension server_name (RFC 6066, 3): in lower case. False: it is none.
bool parse_server_name(std::string_view extension, std::string& name);

}  // namespace weft::tls::detail
