// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_queue.hpp"
#include "openssl.hpp"

#include <cstddef>
#include <optional>

namespace weft::tls::detail {

/// The system's TLS for what is sent on a socket (kTLS, Linux 4.13 and later): OpenSSL's own BIO of
/// the socket, to which a session's BIO passes on what OpenSSL asks or tells it.
///
/// **Until OpenSSL gives the system the keys** (`sends`), records are encrypted by it and go the
/// way of any session; `pass` hurries them along, because there may be none on the way at that
/// moment. **From then on** the application's bytes go into the socket as they are, and all that
/// OpenSSL writes is control records: alerts, tickets. Those are sent here and not by its BIO: it
/// does without MSG_NOSIGNAL, and Linux remembers that until the socket is closed.
class kernel_sender {
  public:
    /// The socket stays its owner's. Throws std::bad_alloc.
    explicit kernel_sender(int socket);

    /// The system has TLS for this socket.
    [[nodiscard]] bool offered() const noexcept { return offered_; }
    /// It has the keys.
    [[nodiscard]] bool sends() const noexcept { return BIO_get_ktls_send(bio_.get()) == 1; }

    /// What OpenSSL asks of its BIO, or tells it.
    long control(int command, long number, void* pointer) noexcept;
    /// Sends of `encrypted` what the socket takes now.
    void pass(byte_queue& encrypted) const noexcept;

    enum class outcome : unsigned char { sent, blocked, refused };
    /// Sends a control record, whole, of the kind that `control` was told of. `blocked`: the socket
    /// takes nothing now. `refused`: there was no word of a kind. What a lost connection does not
    /// take counts as sent: who reads or writes next hears of that.
    outcome send(const char* record, std::size_t size) noexcept;

  private:
    int socket_;
    owned_bio bio_;
    bool offered_;
    std::optional<unsigned char> kind_;  // of the next record
};

}  // namespace weft::tls::detail
