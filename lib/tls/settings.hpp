// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine.hpp"
#include <weft/tls/options.hpp>

#include <span>
#include <string>
#include <vector>

namespace weft::tls::detail {

/// A context with what both sides set: versions, ciphers, modes. Throws failure, invalid_input.
template <class Options>
owned_context make_context(const SSL_METHOD* method, const Options& options);

/// "\x02h2\x08http/1.1": as ALPN stands on the wire. Throws failure, invalid_input.
std::string alpn_wire(const std::vector<std::string>& protocols);

/// The identity that a context shows.
void show(SSL_CTX& context, const identity& id);
/// The identities that one connection shows, and no other: keys of different kinds.
void show(SSL& ssl, std::span<const identity> ids);

/// Believes these, and nobody whom they have not issued.
void believe(SSL_CTX& context, const std::vector<certificate>& roots);

/// Looks at a chain that the peer sent, at the time and for the host that its connection is set to.
verdict judge_chain(X509_STORE_CTX& chain, verify how, const std::vector<std::string>& pins);

}  // namespace weft::tls::detail
