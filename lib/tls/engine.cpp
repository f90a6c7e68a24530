// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "engine.hpp"

#include <weft/tls/error.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

namespace weft::tls::detail {

namespace asio = boost::asio;

namespace {

/// A record carries at most so much (RFC 8446, 5.1); the rest of it is a header, a tag, and in
/// TLS 1.2 a nonce.
constexpr std::size_t record = 16 * 1024;
constexpr std::size_t record_overhead = 32;

/// Messages that carry nothing are fine once in a while: tickets after the handshake, a key update
/// each so many bytes. Who sends more of them wants our time.
constexpr std::uint64_t idle_messages_free = 32;
constexpr std::uint64_t bytes_per_idle_message = 64 * 1024;
/// What may wait to be sent that nobody here has written: answers to key updates.
constexpr std::size_t max_answers = 256 * 1024;

}  // namespace

std::string verdict::reason() const {
    if (wrong_key) return "none of its keys is pinned";
    return X509_verify_cert_error_string(code);
}

// What OpenSSL calls
// -------------------------------------------------------------------------------------------------

struct engine::callbacks {
    static engine& at(BIO* bio) noexcept { return *static_cast<engine*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* data, std::size_t size, std::size_t* done) noexcept {
        BIO_clear_retry_flags(bio);
        *done = at(bio).inbox_.take(data, size);
        if (*done > 0) return 1;
        BIO_set_retry_read(bio);
        return 0;
    }

    static int write(BIO* bio, const char* data, std::size_t size, std::size_t* done) noexcept {
        BIO_clear_retry_flags(bio);
        try {
            at(bio).outbox_.append(data, size);
        } catch (...) {
            at(bio).throw_out(std::current_exception());  // std::bad_alloc
            return -1;
        }
        *done = size;
        return 1;
    }

    static long control(BIO*, int command, long, void*) noexcept {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    /// The same of a BIO that may come to send in the kernel.
    static int write_past(BIO* bio, const char* data, std::size_t size,
                          std::size_t* done) noexcept {
        engine& e = at(bio);
        if (!e.sends_in_kernel()) return write(bio, data, size, done);
        BIO_clear_retry_flags(bio);
        switch (e.kernel_->send(data, size)) {
            case kernel_sender::outcome::sent:
                *done = size;
                return 1;
            case kernel_sender::outcome::blocked:
                e.blocked_ = true;
                BIO_set_retry_write(bio);
                return 0;
            case kernel_sender::outcome::refused:
                break;
        }
        return -1;
    }

    static long control_past(BIO* bio, int command, long number, void* pointer) noexcept {
        engine& e = at(bio);
        if (!e.kernel_) return control(bio, command, number, pointer);
        if (command != BIO_CTRL_FLUSH) return e.kernel_->control(command, number, pointer);
        // OpenSSL is about to give the system the keys: nothing may be behind it on the way then.
        BIO_clear_retry_flags(bio);
        e.kernel_->pass(e.outbox_);
        if (e.outbox_.empty()) return 1;
        BIO_set_retry_write(bio);
        return -1;
    }

    using writer = int(BIO*, const char*, std::size_t, std::size_t*);
    using controller = long(BIO*, int, long, void*);

    static BIO_METHOD* make_method(const char* name, writer* write_with, controller* control_with) {
        BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, name);
        if (!m) throw std::bad_alloc();
        BIO_meth_set_read_ex(m, &read);
        BIO_meth_set_write_ex(m, write_with);
        BIO_meth_set_ctrl(m, control_with);
        return m;
    }
    /// The kinds of BIO: made once, never changed, and never freed: a stream may outlive whatever
    /// is destroyed at the end of the program.
    static BIO_METHOD* queues() {
        static BIO_METHOD* const made = make_method("weft queues", &write, &control);
        return made;
    }
    static BIO_METHOD* queues_past_kernel() {
        static BIO_METHOD* const made = make_method("weft kTLS", &write_past, &control_past);
        return made;
    }

    static BIO* make(const BIO_METHOD* method, engine& e) {
        BIO* bio = BIO_new(method);
        if (!bio) throw std::bad_alloc();
        BIO_set_data(bio, &e);
        BIO_set_init(bio, 1);
        return bio;
    }

    static int verify(X509_STORE_CTX* chain, void*) noexcept {
        auto* ssl = static_cast<SSL*>(
            X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
        engine& e = of(ssl);
        try {
            e.verdict_ = e.judge(*chain);
        } catch (...) {
            e.throw_out(std::current_exception());
            e.verdict_.code = X509_V_ERR_OUT_OF_MEM;
        }
        // What OpenSSL makes of it is the alert that the peer gets.
        if (e.verdict_.wrong_key) X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REJECTED);
        return e.verdict_.good() ? 1 : 0;
    }

    static void message(int written, int, int type, const void* data, std::size_t size, SSL* ssl,
                        void*) noexcept {
        if (written || type != SSL3_RT_HANDSHAKE || size == 0) return;
        engine& e = of(ssl);
        if (e.established_) {
            ++e.idle_messages_;
            e.has_leftovers_ = true;
            const auto* message = static_cast<const unsigned char*>(data);
            if (message[0] == SSL3_MT_KEY_UPDATE && size > SSL3_HM_HEADER_LENGTH &&
                message[SSL3_HM_HEADER_LENGTH] == SSL_KEY_UPDATE_REQUESTED)
                e.asked_for_keys_ = e.sends_in_kernel();
        } else if (*static_cast<const unsigned char*>(data) == SSL3_MT_CLIENT_HELLO) {
            try {
                e.hello_came({static_cast<const char*>(data), size});
            } catch (...) {
                e.throw_out(std::current_exception());
            }
        }
    }

    static int hello(SSL* ssl, int* alert, void*) noexcept {
        engine& e = of(ssl);
        try {
            if (!e.thrown_) return e.on_hello(*alert);
        } catch (...) {
            e.throw_out(std::current_exception());
        }
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }

    static int new_session(SSL* ssl, SSL_SESSION* session) noexcept {
        try {
            of(ssl).keep(*session);
        } catch (...) {
            // No memory: a session that is not kept is not resumed, and nothing is wrong.
            return 0;
        }
        return 0;  // OpenSSL's reference stays OpenSSL's
    }

    static void key_line(const SSL* ssl, const char* line) noexcept { of(ssl).log_key(line); }
};

void engine::install(SSL_CTX& context) {
    SSL_CTX_set_cert_verify_callback(&context, &callbacks::verify, nullptr);
    SSL_CTX_set_msg_callback(&context, &callbacks::message);
    SSL_CTX_set_client_hello_cb(&context, &callbacks::hello, nullptr);
    SSL_CTX_sess_set_new_cb(&context, &callbacks::new_session);
}

SSL_CTX_keylog_cb_func engine::key_log_callback() noexcept { return &callbacks::key_line; }

// The session
// -------------------------------------------------------------------------------------------------

namespace {

/// A handshake would give its buffers back and get them again with each message. From OpenSSL 3.2
/// on, who says so there cannot take it back.
void keep_buffers(SSL& ssl) noexcept {
    static const bool may_change = OpenSSL_version_num() < 0x30200000L;
    if (may_change) SSL_clear_mode(&ssl, SSL_MODE_RELEASE_BUFFERS);
}

}  // namespace

engine::engine(SSL_CTX& context, clock::wall_time_point now, std::size_t max_handshake_bytes,
               const io::stream_impl* below)
    : kernel_(below ? kernel_sender::of(*below) : nullptr),
      ssl_(SSL_new(&context)),
      now_(now),
      handshake_left_(max_handshake_bytes) {
    if (!ssl_) throw std::bad_alloc();
    BIO* in = callbacks::make(callbacks::queues(), *this);
    SSL_set_bio(ssl_.get(), in, in);
    if (kernel_) {
        SSL_set0_wbio(ssl_.get(), callbacks::make(callbacks::queues_past_kernel(), *this));
        SSL_set_options(ssl_.get(), SSL_OP_ENABLE_KTLS);
    }
    SSL_set_app_data(ssl_.get(), this);
    keep_buffers(*ssl_);
    // Certificates are judged by the time of the context, which a test may have made up.
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl_.get()), seconds_of(now));
}

// OpenSSL says farewell to its BIOs, when the stream below may have gone.
engine::~engine() { kernel_.reset(); }

void engine::received(std::size_t n) noexcept {
    inbox_.commit(n);
    if (established_) return;
    if (n > handshake_left_)
        fail_with(tls::error::handshake_too_large, {});
    else
        handshake_left_ -= n;
}

engine::step engine::handshake() {
    if (error_) return step::failed;
    // OpenSSL would make its buffers to find that there is nothing yet.
    if (is_server() && inbox_.empty() && SSL_in_before(ssl_.get())) return step::want_input;
    clear_errors();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
        established_ = true;
        if (!sends_in_kernel()) kernel_.reset();
        SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
        has_leftovers_ = true;
        release_buffers();
        return step::done;
    }
    // (That it wanted to write OpenSSL also says of a write that failed for good.)
    const bool waits = kernel_ && (blocked_ || !outbox_.empty());
    if (waits && SSL_want_write(ssl_.get()) && !thrown_ && ERR_peek_error() == 0)
        return step::want_output;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            release_buffers();
            return step::want_input;
        case SSL_ERROR_WANT_CLIENT_HELLO_CB:
            release_buffers();
            return step::want_identity;
        default:
            fail();
            return step::failed;
    }
}

std::size_t engine::read(io::mutable_buffers into, io::error_code& ec) noexcept {
    ec = {};
    std::size_t total = 0;
    for (auto buffer : into) {
        while (buffer.size() > 0) {
            if (error_ || read_closed_) {
                if (total == 0) ec = error_ ? error_ : io::error_code(asio::error::eof);
                return total;
            }
            if (asked_for_keys_) {
                fail_with(tls::error::key_update, {});
                continue;
            }
            // Nor is it asked for what is known not to be there.
            if (!may_read()) {
                if (flooded()) {
                    fail_with(tls::error::flood, {});
                    continue;
                }
                if (has_leftovers_) release_buffers();
                if (total == 0) ec = asio::error::would_block;
                return total;
            }
            std::size_t n = 0;
            clear_errors();
            const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &n);
            if (result == 1) {
                buffer += n;
                total += n;
                plaintext_ += n;
                continue;
            }
            switch (SSL_get_error(ssl_.get(), result)) {
                case SSL_ERROR_WANT_READ:
                    release_buffers();
                    break;
                case SSL_ERROR_ZERO_RETURN:
                    read_closed_ = true;
                    break;
                default:
                    fail();
            }
        }
    }
    return total;
}

/// While nothing is to be read: a ticket leaves a write buffer behind that only a write would
/// release. OpenSSL before 3.0.14 (3.1.6, 3.2.2, 3.3.1) gives its buffer also back between the
/// header of a record and the rest, and while a part of a record has not been read, and then uses
/// it (CVE-2024-4741).
void engine::release_buffers() noexcept {
    const bool between_records = std::string_view(SSL_rstate_string(ssl_.get())) == "RH";
    if (!inbox_.empty() || !between_records || SSL_has_pending(ssl_.get()) == 1) return;
    has_leftovers_ = SSL_free_buffers(ssl_.get()) != 1;
}

bool engine::flooded() const noexcept {
    return idle_messages_ > idle_messages_free + plaintext_ / bytes_per_idle_message ||
           outbox_.size() > max_answers;
}

std::size_t engine::write(io::const_buffers from, io::error_code& ec) noexcept {
    ec = {};
    std::array<char, record> joined;
    std::size_t total = 0;
    auto next = from.begin();
    asio::const_buffer rest = next != from.end() ? *next : asio::const_buffer();
    const auto advance = [&](std::size_t n) {
        rest += n;
        while (rest.size() == 0 && next != from.end() && ++next != from.end()) rest = *next;
    };
    advance(0);
    while (rest.size() > 0 && total < flight) {
        if (error_) {
            ec = error_;
            return 0;
        }
        // One record each: the caller's memory where it fills one or is the last, else joined.
        asio::const_buffer piece(rest.data(), std::min(rest.size(), record));
        if (piece.size() < record && std::next(next) != from.end()) {
            std::size_t size = 0;
            while (rest.size() > 0 && size < record) {
                const std::size_t n = std::min(rest.size(), record - size);
                std::memcpy(joined.data() + size, rest.data(), n);
                size += n;
                advance(n);
            }
            piece = asio::const_buffer(joined.data(), size);
        } else {
            advance(piece.size());
        }
        if (total == 0) {
            const std::size_t left = piece.size() + rest.size();
            const std::size_t expected = std::min(left, flight);
            // Without memory for all of it, the write below says so.
            outbox_.try_prepare(expected + (expected / record + 1) * record_overhead);
        }
        std::size_t n = 0;
        clear_errors();
        const int result = SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &n);
        if (result != 1 || n != piece.size()) {
            ec = fail();
            return 0;
        }
        total += n;
    }
    return total;
}

void engine::close_follows() noexcept { keep_buffers(*ssl_); }

void engine::close() noexcept {
    const bool again = std::exchange(blocked_, false);
    if (error_ || (!again && (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN))) return;
    clear_errors();
    const bool refused = SSL_shutdown(ssl_.get()) < 0;
    clear_errors();
    if (refused && again && !blocked_) {
        // It was another alert that was blocked, and only the next call sends this one.
        SSL_shutdown(ssl_.get());
        clear_errors();
    }
    SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
    release_buffers();
}

io::error_code engine::fail() noexcept {
    if (thrown_) {
        // Later than in the handshake only memory can have been missing.
        fail_with(established_ ? io::error_code(asio::error::no_memory)
                               : io::error_code(tls::error::protocol),
                  {});
        clear_errors();
        return error_;
    }
    const int reason = ERR_GET_REASON(ERR_peek_error());
    const bool by_library = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL;
    const auto text = []() noexcept -> std::string {
        try {
            return take_error();
        } catch (const std::bad_alloc&) {
            return {};  // it fails all the same, in fewer words
        }
    };
    // OpenSSL's reasons from here on are the peer's alerts.
    if (by_library && reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255)
        fail_with(io::error_code(reason - SSL_AD_REASON_OFFSET, alert_category()), text());
    else if (by_library &&
             (reason == SSL_R_TOO_MANY_KEY_UPDATES || reason == SSL_R_RECORD_TOO_SMALL ||
              reason == SSL_R_TOO_MANY_WARN_ALERTS))
        fail_with(tls::error::flood, text());
    else
        fail_with(tls::error::protocol, text());
    return error_;
}

void engine::fail_with(io::error_code ec, std::string reason) noexcept {
    if (error_) return;
    error_ = ec;
    reason_ = std::move(reason);
}

tls::info engine::info() const {
    tls::info i;
    i.version = static_cast<tls::version>(SSL_version(ssl_.get()));
    if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get()))
        i.cipher = SSL_CIPHER_standard_name(cipher);
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
    if (size > 0) i.alpn.assign(reinterpret_cast<const char*>(protocol), size);
    i.resumed = SSL_session_reused(ssl_.get()) == 1;
    i.kernel_send = sends_in_kernel();
    if (X509* own = SSL_get0_peer_certificate(ssl_.get())) {
        // A server finds the peer's own certificate apart from its chain, a client in it.
        X509_up_ref(own);
        i.peer_chain.emplace_back(own);
        const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_.get());
        for (int n = is_server() ? 0 : 1; chain && n < sk_X509_num(chain); ++n) {
            X509* issuer = sk_X509_value(chain, n);
            X509_up_ref(issuer);
            i.peer_chain.emplace_back(issuer);
        }
    }
    return i;
}

}  // namespace weft::tls::detail
