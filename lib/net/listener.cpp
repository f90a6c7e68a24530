// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../io/shutdown_hooks.hpp"
#include "descriptor.hpp"
#include "socket.hpp"
#include "tcp_stream.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/listener.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace weft::net::tcp {

namespace asio = boost::asio;
using io::error_code;

namespace {

/// How long accepting pauses when the system has no descriptor or memory for us, unless one of our
/// connections closes.
constexpr std::chrono::milliseconds pause{100};
/// Connections taken in one go before other work of the executor has its turn.
constexpr unsigned burst = 64;

enum class accepted : unsigned char { stream, nothing, exhausted, failed };

/// Errors of accept that belong to the connection that was lost, not to us (accept(2), "Error
/// handling").
bool is_of_the_connection(int error) noexcept {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case ETIMEDOUT:
            return true;
        default:
            return false;
    }
}

}  // namespace

/// Lives on one executor: everything below runs there, unless it says otherwise.
class listener::state final : public std::enable_shared_from_this<state>,
                              private detail::descriptor,
                              private io::detail::shutdown_hooks::hook {
  public:
    using handler = asio::any_completion_handler<void(error_code, io::stream)>;

    state(asio::any_io_executor executor, const listen_options& options, int socket,
          const endpoint& local)
        : descriptor(executor, context_info::of(executor), socket),
          options_(options),
          local_(local),
          executor_(std::move(executor)),
          info_(context_info::of(executor_)),
          one_executor_(is_serial(executor_)) {
        add(executor_);
    }
    ~state() { remove(); }

    [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
    [[nodiscard]] context_info& info() const noexcept { return info_; }
    [[nodiscard]] const endpoint& local() const noexcept { return local_; }
    [[nodiscard]] std::size_t live() const noexcept {
        return live_.load(std::memory_order_relaxed);
    }

    /// Where the streams live: the listener's own executor, or strands made from `base`.
    void make_strands_on(asio::any_io_executor base) {
        one_executor_ = false;
        base_ = std::move(base);
    }

    /// A connection without waiting, when nothing speaks against it; an empty stream otherwise.
    io::stream take_now() {
        io::stream s;
        if (!waiters_.empty() || paused_ || full() || !ready(input) || ++in_a_row_ > burst)
            return s;
        error_code ec;
        take(s, ec);  // whatever it was but a stream comes again on the slow way
        return s;
    }

    void start(handler h) {
        in_a_row_ = 0;
        const std::uint64_t id = ++ids_;
        auto slot = asio::get_associated_cancellation_slot(h);
        auto own =
            asio::prefer(asio::any_completion_executor(asio::get_associated_executor(h, executor_)),
                         asio::execution::outstanding_work.tracked);
        waiters_.emplace_back(id, std::move(h), std::move(own));
        if (slot.is_connected()) {
            slot.assign([weak = weak_from_this(), id](asio::cancellation_type) {
                auto self = weak.lock();
                if (!self) return;
                auto& executor = self->executor_;
                asio::dispatch(executor, [self = std::move(self), id] { self->cancel_waiter(id); });
            });
        }
        go_on();
    }

    void begin_closing() {
        closing_ = true;
        paused_ = false;
        // Someone who waits drains now; else the next accept does.
        if (!waiters_.empty()) {
            if (waiting(input)) cancel(input);
            probe_ = true;
            go_on();
        } else {
            probe_ = true;
        }
    }

    /// The listener is gone.
    void finish() noexcept {
        backoff_.reset();
        if (fd() >= 0) close();
        auto gone = std::move(waiters_);
        for (auto& w : gone) complete(std::move(w), asio::error::operation_aborted, io::stream());
    }

    // From any thread: a connection ended.
    void released() noexcept {
        live_.fetch_sub(1, std::memory_order_acq_rel);
        if (!wants_release_.load(std::memory_order_acquire)) return;
        asio::dispatch(executor_, [weak = weak_from_this()] {
            if (auto self = weak.lock()) {
                self->paused_ = false;
                self->go_on();
            }
        });
    }

  private:
    struct waiter {
        waiter(std::uint64_t n, handler h, asio::any_completion_executor e)
            : id(n), complete(std::move(h)), executor(std::move(e)) {}
        std::uint64_t id;
        handler complete;
        asio::any_completion_executor executor;  // kept at work
    };

    class permit final : public detail::connection_permit {
      public:
        explicit permit(std::weak_ptr<state> s) noexcept : state_(std::move(s)) {}
        void release() noexcept override {
            if (auto s = state_.lock()) s->released();
        }

      private:
        std::weak_ptr<state> state_;
    };

    [[nodiscard]] bool full() const noexcept {
        return options_.max_connections > 0 && live() >= options_.max_connections;
    }

    void on_ready(bool, bool) override { go_on(); }

    void on_shutdown() noexcept override { on_context_shutdown(); }
    void on_context_shutdown() noexcept override {
        auto keep = weak_from_this().lock();
        backoff_.reset();
        close();
        // Destroyed without being called; the coroutines that wait go, and perhaps this with them.
        auto gone = std::move(waiters_);
    }

    /// Serves who waits, as far as it goes.
    void go_on() {
        while (!waiters_.empty()) {
            if (fd() < 0) {
                complete_front(error_code(), io::stream());
                continue;
            }
            if (paused_) return;
            // First say that we wait for a place, then look: a release in between is not missed.
            wants_release_.store(options_.max_connections > 0, std::memory_order_release);
            if (full()) return;
            if (!ready(input) && !probe_) {
                if (!waiting(input)) wait(input);
                return;
            }
            io::stream s;
            error_code ec;
            switch (take(s, ec)) {
                case accepted::stream:
                    complete_front(error_code(), std::move(s));
                    break;
                case accepted::nothing:
                    probe_ = false;
                    if (closing_) close();
                    break;
                case accepted::exhausted:
                    return rest();
                case accepted::failed:
                    complete_front(ec, io::stream());
                    break;
            }
        }
        wants_release_.store(false, std::memory_order_release);
    }

    /// No descriptors, or no memory: wait for one of our connections to close, or a while.
    void rest() {
        paused_ = true;
        wants_release_.store(true, std::memory_order_release);
        if (!backoff_) backoff_ = std::make_unique<backoff>(*this);
        backoff_->arm_after(pause);
    }

    accepted take(io::stream& s, error_code& ec) {
        for (;;) {
            endpoint peer;
            auto length = static_cast<socklen_t>(peer.capacity());
            const int socket = ::accept4(fd(), peer.data(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (socket >= 0) {
                peer.resize(length);
                return admit(socket, peer, s);
            }
            const int error = errno;
            if (error == EAGAIN || error == EWOULDBLOCK) {
                exhausted(input);
                return accepted::nothing;
            }
            if (is_of_the_connection(error)) continue;
            if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
                return accepted::exhausted;
            ec = error_code(error, boost::system::system_category());
            return accepted::failed;
        }
    }

    accepted admit(int socket, const endpoint& peer, io::stream& s) {
        try {
            s = detail::make_stream(base_ ? serialized(base_) : executor_, socket, peer,
                                    local_.address().is_unspecified() ? nullptr : &local_,
                                    std::make_shared<permit>(weak_from_this()));
        } catch (...) {
            return accepted::exhausted;  // memory, or a limit of epoll: the socket is closed
        }
        live_.fetch_add(1, std::memory_order_relaxed);
        return accepted::stream;
    }

    void complete_front(error_code ec, io::stream s) {
        waiter w = std::move(waiters_.front());
        waiters_.pop_front();
        complete(std::move(w), ec, std::move(s));
    }

    void complete(waiter w, error_code ec, io::stream s) {
        auto slot = asio::get_associated_cancellation_slot(w.complete);
        if (slot.is_connected()) slot.clear();
        asio::post(executor_, [w = std::move(w), ec, s = std::move(s)]() mutable {
            auto executor = std::move(w.executor);
            asio::dispatch(executor, asio::append(std::move(w.complete), ec, std::move(s)));
        });
    }

    void cancel_waiter(std::uint64_t id) {
        for (auto w = waiters_.begin(); w != waiters_.end(); ++w) {
            if (w->id != id) continue;
            waiter gone = std::move(*w);
            waiters_.erase(w);
            if (waiters_.empty() && waiting(input)) cancel(input);
            return complete(std::move(gone), asio::error::operation_aborted, io::stream());
        }
    }

    struct backoff : deadlines::entry {
        explicit backoff(state& s)
            : entry(s.info_.deadlines(), s.executor_,
                    [](entry& e) noexcept {
                        state& owner = static_cast<backoff&>(e).owner;
                        owner.paused_ = false;
                        owner.go_on();
                    }),
              owner(s) {}
        state& owner;
    };

    const listen_options options_;
    const endpoint local_;
    const asio::any_io_executor executor_;
    asio::any_io_executor base_;  // for strands, where connections get one each
    context_info& info_;
    bool one_executor_;
    std::deque<waiter> waiters_;
    std::uint64_t ids_ = 0;
    std::unique_ptr<backoff> backoff_;
    std::atomic<std::size_t> live_{0};
    std::atomic<bool> wants_release_{false};
    unsigned in_a_row_ = 0;
    bool paused_ = false;   // out of descriptors or memory
    bool closing_ = false;  // drain, then close
    bool probe_ = false;    // try even though no event said so
};

listener::listener(asio::any_io_executor executor, std::string_view address, listen_options options)
    : listener(std::move(executor), parse_endpoint(address), options) {}

listener::listener(asio::any_io_executor executor, const endpoint& address,
                   listen_options options) {
    const bool serial = is_serial(executor);
    endpoint local = address;
    const int socket = detail::listen_on(local, options);
    state_ = std::make_shared<state>(serialized(executor), options, socket, local);
    if (!serial) state_->make_strands_on(std::move(executor));
}

listener::listener(listener&&) noexcept = default;

listener& listener::operator=(listener&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}

listener::~listener() {
    if (!state_) return;
    auto& executor = state_->executor();
    asio::dispatch(executor, [state = std::move(state_)] { state->finish(); });
}

endpoint listener::local_endpoint() const noexcept { return state_->local(); }

std::size_t listener::live() const noexcept { return state_->live(); }

void listener::close() noexcept {
    asio::dispatch(state_->executor(), [state = state_] { state->begin_closing(); });
}

namespace {

awaitable<io::stream> accept_on(std::shared_ptr<listener::state> state,
                                std::source_location where) {
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    if (here == state->executor()) {
        if (io::stream s = state->take_now()) co_return s;
    }
    const wait_scope waiting(context_info::of(here), "accept", where);
    auto initiate = [state](auto handler) {
        auto& executor = state->executor();
        asio::dispatch(executor,
                       [state, h = listener::state::handler(std::move(handler))]() mutable {
                           state->start(std::move(h));
                       });
    };
    constexpr auto as_result = asio::as_tuple(asio::deferred);
    auto [ec, s] = co_await asio::async_initiate<decltype(as_result), void(error_code, io::stream)>(
        std::move(initiate), as_result);
    if (ec) throw failure::from(ec, "accept failed").with("address", to_string(state->local()));
    co_return std::move(s);
}

}  // namespace

awaitable<io::stream> listener::accept(std::source_location where) {
    return accept_on(state_, where);
}

}  // namespace weft::net::tcp
