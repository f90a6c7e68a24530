// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "handshake.hpp"

#include "client_engine.hpp"
#include "server_engine.hpp"
#include "tls_stream.hpp"
#include <weft/core/attempt.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/shielded.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/error.hpp>
#include <weft/tls/secured_for.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>

#include <array>
#include <source_location>
#include <utility>

namespace weft::tls {

namespace detail {

namespace {

namespace asio = boost::asio;

/// What one read of a handshake asks for: a flight of the peer, most often. A client's is small.
constexpr std::size_t handshake_read = 4 * 1024;
constexpr std::size_t small_handshake_read = 1000;
/// How long a peer that was refused is listened to, and how much of it: a connection that is closed
/// with input unread is reset, and the reset may overtake the alert that says why.
constexpr std::chrono::seconds refusal_limit{1};
constexpr std::size_t refusal_bytes = 64 * 1024;

// What went wrong
// -------------------------------------------------------------------------------------------------

/// What every failure of a handshake says: nothing was sent yet, and to whom it would have been.
failure dressed(failure f, const handshake_names& names) {
    f = std::move(f).delivered(delivery::not_sent);
    if (!names.host.empty() && !f.context("host")) f = std::move(f).with("host", names.host);
    return f;
}

failure about_certificate(const verdict& v, const handshake_names& names) {
    std::string text = "the certificate ";
    text += names.host.empty() ? std::string("of a client") : "of " + names.host;
    text += " is not trusted: " + v.reason();
    failure f(failure_kind::authentication, std::move(text));
    f = std::move(f).in(failure_domain::transport).with("reason", v.reason());
    if (!v.certificate.empty()) f = std::move(f).with("certificate", v.certificate);
    return f;
}

/// An alert of the peer, or a fault in what it sent.
failure about_protocol(const engine& e, const handshake_names& names) {
    const io::error_code ec = e.error();
    if (ec.category() != alert_category()) {
        failure f(failure_kind::protocol, ec, "the TLS handshake " + names.who + " failed");
        f = std::move(f).in(failure_domain::protocol);
        if (!e.reason().empty()) f = std::move(f).with("reason", e.reason());
        return f;
    }
    const bool identity = ec == boost::system::errc::permission_denied;
    const char* alert = SSL_alert_desc_string_long(ec.value());
    failure f(identity ? failure_kind::authentication : failure_kind::protocol, ec,
              "the peer refused the TLS handshake " + names.who);
    return std::move(f)
        .in(identity ? failure_domain::transport : failure_domain::protocol)
        .with("alert", alert);
}

failure why(const engine& e, const handshake_names& names) {
    if (e.thrown()) return failure::from(e.thrown());
    if (!e.peer().good()) return about_certificate(e.peer(), names);
    return about_protocol(e, names);
}

// The exchange
// -------------------------------------------------------------------------------------------------

/// The time that a handshake may take. When it is over, what waits for the connection below is
/// cancelled. Much cheaper than with_deadline, which runs a child coroutine.
class time_limit : deadlines::entry {
  public:
    time_limit(io::stream& below, clock::duration length)
        : entry(below.impl().context().deadlines(), below.get_executor(),
                [](entry& e) noexcept { static_cast<time_limit&>(e).strike(); }),
          below_(below),
          time_(below.impl().context().clock()),
          held_(length, std::source_location::current()) {
        held_.resolve(below.impl().context());
        arm_at(end());
    }

    /// While it is held in another way.
    void pause() noexcept { disarm(); }
    void resume() { arm_at(end()); }

    [[nodiscard]] clock::time_point now() const { return time_.now(); }
    [[nodiscard]] clock::time_point end() const noexcept { return held_.when; }
    [[nodiscard]] bool over() const { return now() >= end(); }
    [[nodiscard]] failure timed_out() const { return held_.timed_out(nullptr); }

  private:
    void strike() noexcept {
        below_.cancel();
        // What had just completed is not cancelled, and may be waited for once more.
        arm_after(std::chrono::seconds(1));
    }

    io::stream& below_;
    const clock& time_;
    weft::detail::limit held_;
};

/// Asks the certificate service, unless it has been asked lately. What it throws is thrown.
awaitable<identity> find_identity(const server_engine& e, const time_limit& limit) {
    const server_context& context = e.context();
    const std::string key = certificate_cache::key(e.hello());
    if (std::optional<identity> known = context.answers().get(key, limit.now()))
        co_return std::move(*known);
    client_hello hello = e.hello();
    identity id =
        co_await with_deadline(limit.end(), context.options().certificates.serve(std::move(hello)));
    context.answers().put(key, id, limit.now());
    co_return id;
}

/// Gives the engine the service's answer, or its refusal.
awaitable<void> answer_hello(server_engine& e, const time_limit& limit) {
    std::exception_ptr refused;
    try {
        identity id = co_await find_identity(e, limit);
        e.answer(std::move(id));
    } catch (...) {
        refused = std::current_exception();
    }
    if (!refused) co_return;
    // A handshake that is cancelled ends as such; what the service threw for it is not its answer.
    const asio::cancellation_state own = co_await asio::this_coro::cancellation_state;
    if (own.cancelled() != asio::cancellation_type::none) std::rethrow_exception(refused);
    e.refuse(std::move(refused));
}

/// Sends a flight, most often without a coroutine for it.
std::size_t try_send(io::stream& below, byte_queue& flight) noexcept {
    io::error_code ec;  // it comes again where it is waited for
    const std::size_t sent = below.try_write(flight.buffer(), ec);
    flight.consume(sent);
    flight.release();
    return flight.size();
}

/// One flight out, one flight in, until the engine has enough. True: it is done. False: it failed,
/// and says why; its alert was not sent yet.
awaitable<bool> exchange(io::stream& below, engine& e, time_limit& limit,
                         const handshake_names& names, handshake_watch* told) {
    std::size_t wanted = e.is_server() ? small_handshake_read : handshake_read;
    for (;;) {
        if (limit.over()) throw limit.timed_out();
        const engine::step step = e.handshake();
        if (step == engine::step::failed) co_return false;
        if (step == engine::step::done && e.can_wait()) co_return true;
        if (!e.outbox().empty() && try_send(below, e.outbox()) > 0) {
            co_await below.write(e.outbox().buffer());
            e.outbox().clear();
        }
        if (step == engine::step::done) co_return true;
        if (step == engine::step::want_output) {
            // It wanted the outbox to be sent first, and it was; or the socket is so small that it
            // takes no control record.
            if (e.is_blocked())
                throw failure(failure_kind::unavailable,
                              "the peer takes nothing during the TLS handshake " + names.who)
                    .in(failure_domain::transport);
            continue;
        }
        if (step == engine::step::want_identity) {
            limit.pause();
            co_await answer_hello(static_cast<server_engine&>(e), limit);
            limit.resume();
            continue;
        }
        const asio::mutable_buffer room = e.inbox().prepare(wanted);
        const std::size_t n = co_await below.read(room);
        if (n == 0)
            throw failure(failure_kind::unavailable, tls::error::truncated,
                          "the peer ended the connection during the TLS handshake " + names.who)
                .in(failure_domain::transport);
        e.received(n);
        if (n == room.size()) wanted = handshake_read;
        if (told) told->heard.store(true, std::memory_order_relaxed);
    }
}

/// The alert, and the time to read it.
awaitable<void> send_refusal(io::stream& below, byte_queue& alert) {
    co_await below.write(alert.buffer());
    co_await below.shutdown_send();
    std::array<char, 1024> memory;
    for (std::size_t heard = 0; heard < refusal_bytes;) {
        const std::size_t n = co_await below.read(asio::buffer(memory));
        if (n == 0) break;
        heard += n;
    }
}

/// Why the engine failed; the peer has been told.
awaitable<failure> refused(io::stream& below, engine& e, const handshake_names& names) {
    failure reason = dressed(why(e, names), names);
    if (!e.outbox().empty() || e.sends_in_kernel()) {
        // Whether the peer heard it is its affair.
        result<void> heard;
        co_await shielded(refusal_limit, send_refusal(below, e.outbox()), heard);
    }
    co_return reason;
}

/// Lets `told` reach the connection for as long as there is one.
class watched {
  public:
    watched(handshake_watch* told, io::stream& below) : told_(told) {
        if (told_) told_->begins(below);
    }
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;
    ~watched() {
        if (told_) told_->ends();
    }

  private:
    handshake_watch* told_;
};

failure timed_out(std::exception_ptr cause, const handshake_names& names) {
    failure f(failure_kind::timeout, "the TLS handshake " + names.who + " took too long");
    f = std::move(f).in(failure_domain::transport);
    if (cause) f = std::move(f).because(failure::from(std::move(cause)));
    return dressed(std::move(f), names);
}

awaitable<io::stream> accept_stream(io::stream stream, const server_config& config,
                                    handshake_watch* told) {
    std::shared_ptr<const server_context> context = config.state()->current();
    const std::chrono::milliseconds limit = context->options().handshake_timeout;
    const clock& time = stream.impl().context().clock();
    auto engine =
        std::make_unique<server_engine>(std::move(context), time.wall_now(), stream.impl());
    handshake_names names{"of a client", {}};
    return run_handshake(std::move(stream), std::move(engine), limit, std::move(names), told);
}

}  // namespace

awaitable<io::stream> run_handshake(io::stream below, std::unique_ptr<engine> e,
                                    std::chrono::milliseconds limit, handshake_names names,
                                    handshake_watch* told) {
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    const asio::any_io_executor there = below.get_executor();
    if (here != there)
        co_return co_await run_on(
            there, run_handshake(std::move(below), std::move(e), limit, std::move(names), told));
    std::exception_ptr failed;
    bool done = false;
    bool late = false;
    const watched reach(told, below);
    {
        time_limit time(below, limit);
        try {
            done = co_await exchange(below, *e, time, names, told);
        } catch (...) {
            failed = std::current_exception();
        }
        late = failed && time.over();
    }
    if (done) {
        below.extensions().insert(e->info());
        co_return io::stream::make<tls_stream>(std::move(below), std::move(e));
    }
    // Who cancels it gets that back as it is.
    const asio::cancellation_state own = co_await asio::this_coro::cancellation_state;
    if (failed && own.cancelled() != asio::cancellation_type::none) std::rethrow_exception(failed);
    if (late) throw timed_out(std::move(failed), names);
    if (!failed) throw co_await refused(below, *e, names);
    failure f = failure::from(failed);
    if (f.kind() == failure_kind::cancelled) std::rethrow_exception(failed);
    throw dressed(std::move(f), names);
}

awaitable<io::stream> accept(io::stream stream, server_config config, handshake_watch& told) {
    return accept_stream(std::move(stream), config, &told);
}

}  // namespace detail

awaitable<io::stream> accept(io::stream stream, server_config config) {
    return detail::accept_stream(std::move(stream), config, nullptr);
}

awaitable<io::stream> handshake(io::stream stream, client_config config, target to,
                                connection_settings settings) {
    const clock& time = stream.impl().context().clock();
    auto engine = std::make_unique<detail::client_engine>(config.context(), to, settings,
                                                          time.wall_now(), stream.impl());
    detail::handshake_names names{"with " + engine->host(), engine->host()};
    const std::chrono::milliseconds limit = config.options().handshake_timeout;
    secured_for whom{engine->host(), to.port, std::move(config)};
    io::stream secure = co_await detail::run_handshake(std::move(stream), std::move(engine), limit,
                                                       std::move(names));
    secure.extensions().insert(std::move(whom));
    co_return std::move(secure);
}

connect::plan connect::plan_for(const net::connect_request& request) const {
    plan p{config_, {request.host, request.port}, {}};
    if (const auto* own = request.extensions().get<client_config>()) p.config = *own;
    if (const auto* own = request.extensions().get<connection_settings>()) p.settings = *own;
    return p;
}

}  // namespace weft::tls
