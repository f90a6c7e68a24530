// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_queue.hpp"
#include "openssl.hpp"
#include <weft/io/stream_impl.hpp>

#include <cstddef>
#include <memory>
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
    /// Null where the system has no TLS for what is below. Throws std::bad_alloc.
    static std::unique_ptr<kernel_sender> of(const io::stream_impl& below);

    /// The system has the keys.
    [[nodiscard]] bool sends() const noexcept { return BIO_get_ktls_send(bio_.get()) == 1; }
    /// The socket has room: what the system holds back is on its way when it is closed.
    [[nodiscard]] bool has_room() const noexcept;

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
    kernel_sender(const io::stream_impl& below, int socket);
    /// The stream below has not given its socket up: the number may be another's by now.
    [[nodiscard]] bool is_there() const noexcept { return below_.kernel_tls_socket() == socket_; }

    const io::stream_impl& below_;
    const int socket_;
    owned_bio bio_;
    std::optional<unsigned char> kind_;  // of the next record
};

}  // namespace weft::tls::detail
