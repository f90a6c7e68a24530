// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/tls/certificate.hpp>
#include <weft/tls/client_hello.hpp>
#include <weft/tls/version.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tls {

/// How bytes are encrypted, in OpenSSL's spelling. All of the defaults are forward secret and
/// authenticate what they encrypt.
struct cipher_choice {
    std::string tls_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";
    std::string tls_1_3 =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    std::string groups = "X25519:P-256:P-384";
};

/// Gets the secrets of each connection, a line each, in the format of SSLKEYLOGFILE: whoever has
/// them can read the traffic. For debugging. May be called from several threads; must not throw.
using key_log = std::function<void(std::string_view line)>;

/// Whether a client believes a server.
enum class verify : unsigned char {
    /// Its certificate must be for the host, in time, and issued by one of the roots.
    peer,
    /// Any certificate will do (only pins are still compared): anyone may be in between.
    dangerously_none
};

/// The defaults are safe.
struct client_options {
    /// Who may vouch for servers; empty: the roots of the system.
    std::vector<certificate> roots = {};
    /// The roots of the system count beside `roots`.
    bool system_roots_too = false;
    tls::verify verify = tls::verify::peer;
    /// "sha256/..." (certificate::pin): when there are any, one certificate of the verified chain
    /// must have one of these keys.
    std::vector<std::string> pins = {};
    /// Whom the client says to be, where the server asks.
    tls::identity identity = {};
    /// Servers whose sessions are kept for resumption; the one used longest ago goes first. Zero:
    /// every handshake is a full one.
    std::size_t session_cache = 256;
    /// Application protocols (alpn.hpp), the preferred one first; empty: none is negotiated.
    std::vector<std::string> alpn = {};
    version min_version = version::tls_1_2;
    version max_version = version::tls_1_3;
    cipher_choice ciphers = {};
    /// For the whole handshake.
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
    /// The most bytes that the peer may send before the handshake is over.
    std::size_t max_handshake_bytes = 128 * 1024;
    /// Lets the system encrypt what is sent (kTLS) where it can: Linux with the module `tls`, an
    /// OpenSSL that was built for it, a TCP socket below, TLS 1.2 or 1.3 with AES-GCM or ChaCha20;
    /// else nothing changes. tls::info::kernel_send says what it came to. What is received is
    /// decrypted here as always. A peer that asks for new keys (KeyUpdate, RFC 8446, 4.6.3) is cut
    /// off then (error::key_update): OpenSSL cannot change the system's.
    bool kernel_tls = false;
    key_log dangerous_key_log = {};
};

/// Whether a server asks its clients for certificates.
enum class client_certificates : unsigned char {
    none,      ///< it does not
    optional,  ///< one that is shown must be good
    required
};

/// Chooses the identity of one connection: a service from client_hello to identity.
using certificate_service = any_service<client_hello, identity>;

/// The defaults are safe.
struct server_options {
    /// Who the server is. The client's name (SNI) chooses among them by the names in their
    /// certificates: an exact one first, then a wildcard, then the first identity of the list. Two
    /// identities of one name with keys of different kinds (RSA, ECDSA) serve it together.
    std::vector<identity> identities = {};
    /// Asked, where it is set, before the identities: for certificates that come from elsewhere or
    /// change while the server runs. It may take its time (within handshake_timeout); an empty
    /// identity means "not mine", and the identities decide; what it throws ends the handshake.
    certificate_service certificates = {};
    /// Answers of `certificates` that are kept, each for clients that say the same; as many again
    /// that a name is not the service's. An answer does not wait for another one that is asked for
    /// the same: n handshakes at once ask n times. Zero: none.
    std::size_t certificate_cache = 1024;
    std::chrono::seconds certificate_max_age = std::chrono::minutes(10);
    /// Refuses names (unrecognized_name, RFC 6066) that no identity is for; without it the first
    /// one is shown, as to clients without a name.
    bool refuse_unknown_names = false;
    /// Application protocols (alpn.hpp), the preferred one first; empty: none is negotiated. A
    /// client that offers others only is refused (RFC 7301, 3.2).
    std::vector<std::string> alpn = {};

    tls::client_certificates client_certificates = tls::client_certificates::none;
    /// Who may vouch for clients. Empty although clients are asked is refused: the roots of the
    /// system vouch for servers of the whole world.
    std::vector<certificate> client_roots = {};
    /// Tickets for resumption that each full handshake of TLS 1.3 gives (TLS 1.2: one); 0: none.
    std::size_t session_tickets = 2;
    /// How long a ticket is good. Its key is thrown away after twice that.
    std::chrono::seconds ticket_lifetime = std::chrono::hours(2);
    /// How long a client that has shown a certificate may go on by tickets, counted from the full
    /// handshake; then, and when the certificate has expired, the next handshake is a full one,
    /// which verifies it anew.
    std::chrono::seconds client_session_limit = std::chrono::hours(24);
    version min_version = version::tls_1_2;
    version max_version = version::tls_1_3;
    cipher_choice ciphers = {};
    /// For the whole handshake, `certificates` included.
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
    /// The most bytes that the peer may send before the handshake is over; of them at most 16 KiB
    /// in its ClientHello.
    std::size_t max_handshake_bytes = 128 * 1024;
    /// As in client_options.
    bool kernel_tls = false;
    key_log dangerous_key_log = {};
};

}  // namespace weft::tls
