// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_queue.hpp"
#include "kernel_sender.hpp"
#include "openssl.hpp"
#include <weft/io/operation.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/tls/info.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace weft::tls::detail {

/// What was wrong with the peer's certificates.
struct verdict {
    int code = X509_V_OK;     ///< OpenSSL's
    bool wrong_key = false;   ///< the chain is good, and has none of the pinned keys
    std::string certificate;  ///< the subject of the one it was about

    [[nodiscard]] bool good() const noexcept { return code == X509_V_OK && !wrong_key; }
    [[nodiscard]] std::string reason() const;
};

/// One TLS session, sans-IO: what the peer sent goes into `inbox`, what it must be sent comes out
/// of `outbox`, and nothing here waits, reads a clock or knows a socket.
///
///     while (engine.handshake() == engine::step::want_input) {
///         send(engine.outbox());
///         engine.received(receive_into(engine.inbox()));
///     }
///
/// **Built so.** OpenSSL sees a BIO that takes from the inbox and appends to the outbox. Appending
/// always succeeds, so that writing never stops halfway: whoever drives it asks for more only when
/// the outbox was sent. Both queues, and OpenSSL's own buffers (SSL_MODE_RELEASE_BUFFERS), have
/// memory only while bytes are in them. Pinned, and used by one thread at a time.
///
/// **kTLS.** With a socket, and where the system and OpenSSL agree, what is sent is encrypted by
/// the system from the end of the handshake on (`sends_in_kernel`): then `write` is not used, the
/// application's bytes are written to the socket, and control records go there by themselves.
///
/// The side (client_engine, server_engine) decides in the virtual functions, which OpenSSL calls
/// from inside of `handshake`, `read` and `write`; an exception must not pass through it.
class engine {
  public:
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    virtual ~engine();

    enum class step : unsigned char {
        done,
        want_input,     ///< the inbox is used up
        want_output,    ///< the outbox is to be sent first
        want_identity,  ///< server_engine::hello says for whom; then go on
        failed          ///< `error` and the like say why; an alert may be in the outbox
    };

    [[nodiscard]] step handshake();

    /// Decrypts into the buffers. 0 with `ec`: would_block (the inbox is used up), eof (the peer's
    /// close_notify), or what the session failed with, again and again.
    std::size_t read(io::mutable_buffers into, io::error_code& ec) noexcept;
    /// Encrypts at most one flight, and says how much of the buffers that was. 0 with `ec` when the
    /// session has failed.
    std::size_t write(io::const_buffers from, io::error_code& ec) noexcept;
    /// `close` follows the next write: it can have that one's buffer.
    void close_follows() noexcept;
    /// Says that nothing more will be written (close_notify). Once; not after a failure. Called
    /// again when a control record is blocked, it tries that again.
    void close() noexcept;

    /// After the handshake: the system encrypts what is sent.
    [[nodiscard]] bool sends_in_kernel() const noexcept { return kernel_ && kernel_->sends(); }
    /// Of a session that sends in the kernel: a control record has not gone, because the socket
    /// takes nothing now.
    [[nodiscard]] bool is_blocked() const noexcept { return blocked_; }
    /// Of such a session: the system holds nothing back for want of room.
    [[nodiscard]] bool has_room() const noexcept { return kernel_->has_room(); }

    [[nodiscard]] byte_queue& inbox() noexcept { return inbox_; }
    [[nodiscard]] byte_queue& outbox() noexcept { return outbox_; }
    /// So many bytes were put into the inbox.
    void received(std::size_t n) noexcept;
    /// `read` may find something without new input.
    [[nodiscard]] bool may_read() const noexcept {
        return !inbox_.empty() || SSL_pending(ssl_.get()) > 0;
    }

    /// Why it failed.
    [[nodiscard]] io::error_code error() const noexcept { return error_; }
    /// OpenSSL's word for it; may be empty.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    [[nodiscard]] const verdict& peer() const noexcept { return verdict_; }
    /// Why our side itself ended the handshake, if it did.
    [[nodiscard]] const std::exception_ptr& thrown() const noexcept { return thrown_; }

    /// After the handshake: nobody waits for what is in the outbox, so it may go out with the first
    /// bytes of the application. So it is with a server's tickets in TLS 1.3; any other last flight
    /// has a Finished in it.
    [[nodiscard]] bool can_wait() const noexcept {
        return is_server() && SSL_version(ssl_.get()) == TLS1_3_VERSION;
    }
    /// After the handshake.
    [[nodiscard]] virtual tls::info info() const;
    [[nodiscard]] virtual bool is_server() const noexcept = 0;

    /// Sends the calls of a context's connections to their engines.
    static void install(SSL_CTX& context);
    /// For contexts that log the secrets of their connections.
    static SSL_CTX_keylog_cb_func key_log_callback() noexcept;

    /// Plaintext that goes into one write of the connection below.
    static constexpr std::size_t flight = 64 * 1024;

  protected:
    /// Of a connection that begins now. `below`: when the system may encrypt what is sent on it;
    /// outlives all that is done with the engine.
    engine(SSL_CTX& context, clock::wall_time_point now, std::size_t max_handshake_bytes,
           const io::stream_impl* below);

    static engine& of(const SSL* ssl) noexcept {
        return *static_cast<engine*>(SSL_get_app_data(ssl));
    }

    [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
    [[nodiscard]] clock::wall_time_point now() const noexcept { return now_; }
    /// Ends the handshake with an exception.
    void throw_out(std::exception_ptr e) noexcept { thrown_ = std::move(e); }

    /// The peer has sent certificates: whether they are good. Called with the chain to verify.
    virtual verdict judge(X509_STORE_CTX& chain) = 0;
    /// A session that could be resumed later.
    virtual void keep(SSL_SESSION&) {}
    /// A ClientHello has come; the message with its four bytes of header.
    virtual void hello_came(std::string_view) {}
    /// The same, parsed by OpenSSL too: SSL_CLIENT_HELLO_SUCCESS, _RETRY, or _ERROR with an alert.
    virtual int on_hello(int&) { return SSL_CLIENT_HELLO_SUCCESS; }
    virtual void log_key(std::string_view) {}

  private:
    struct callbacks;

    io::error_code fail() noexcept;
    void fail_with(io::error_code ec, std::string reason) noexcept;
    [[nodiscard]] bool flooded() const noexcept;
    void release_buffers() noexcept;

    std::unique_ptr<kernel_sender> kernel_;  // OpenSSL's BIO refers to it
    owned_ssl ssl_;
    byte_queue inbox_;
    byte_queue outbox_;
    clock::wall_time_point now_;
    std::size_t handshake_left_;       // bytes that the peer may still send
    std::uint64_t plaintext_ = 0;      // bytes that were read
    std::uint64_t idle_messages_ = 0;  // messages of the peer that carried none
    bool established_ = false;
    bool read_closed_ = false;
    bool has_leftovers_ = false;  // buffers that a message of the peer's has left behind
    bool blocked_ = false;
    bool asked_for_keys_ = false;  // by the peer, and the system has those that are in use
    io::error_code error_;
    std::string reason_;
    verdict verdict_;
    std::exception_ptr thrown_;
};

}  // namespace weft::tls::detail
