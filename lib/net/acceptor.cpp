// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "acceptor.hpp"

#include "set_options.hpp"
#include "socket.hpp"
#include <weft/core/failure.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/wait.hpp>

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

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <tuple>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace weft::net::detail {

namespace asio = boost::asio;

namespace {

/// How long accepting pauses when the system has no descriptor or memory for us, unless one of our
/// connections closes.
constexpr std::chrono::milliseconds pause{100};

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

class acceptor::permit final : public connection_permit {
  public:
    explicit permit(std::weak_ptr<acceptor> a) noexcept : acceptor_(std::move(a)) {}
    void release() noexcept override {
        if (auto a = acceptor_.lock()) a->released();
    }

  private:
    std::weak_ptr<acceptor> acceptor_;
};

struct acceptor::backoff : deadlines::entry {
    explicit backoff(acceptor& a)
        : entry(a.info_.deadlines(), a.executor_,
                [](entry& e) noexcept {
                    acceptor& owner = static_cast<backoff&>(e).owner;
                    owner.paused_ = false;
                    owner.resting_ = false;
                    owner.go_on();
                }),
          owner(a) {}
    acceptor& owner;
};

std::shared_ptr<acceptor> acceptor::make(asio::any_io_executor executor, listen_socket socket,
                                         std::size_t max_connections) {
    const bool serial = is_serial(executor);
    auto made =
        std::make_shared<acceptor>(serialized(executor), max_connections, std::move(socket));
    if (!serial) made->base_ = std::move(executor);
    return made;
}

acceptor::acceptor(asio::any_io_executor executor, std::size_t max_connections,
                   listen_socket socket)
    : descriptor(executor, context_info::of(executor), socket.take_descriptor().release()),
      max_connections_(max_connections),
      local_(socket.local_endpoint()),
      shared_(socket.shared()),
      executor_(std::move(executor)),
      info_(context_info::of(executor_)) {
    add(executor_);
}

acceptor::~acceptor() { remove(); }

io::stream acceptor::take_now() {
    io::stream s;
    if (!waiters_.empty() || paused_ || full() || !ready(input) || ++in_a_row_ > burst_) return s;
    error_code ec;
    take(s, ec);  // whatever it was but a stream comes again on the slow way
    return s;
}

void acceptor::start(handler h) {
    const auto now = info_.clock().now();
    const bool was_long = in_a_row_ > burst_ && now - turn_began_ > long_turn;
    burst_ = was_long ? std::max(burst_ / 2, least_burst) : std::min(burst_ * 2, most_burst);
    turn_began_ = now;
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

void acceptor::begin_closing() {
    closing_ = true;
    paused_ = false;
    probe_ = true;
    if (shared_->handed_over.load(std::memory_order_acquire)) {
        close();  // what waits in the queue is for the other process
    } else if (shared_->file) {
        shared_->file->remove();  // who comes now finds nobody, and does not wait for us
    }
    // Someone who waits drains now; else the next accept does.
    if (waiters_.empty()) return;
    if (fd() >= 0 && waiting(input)) cancel(input);
    go_on();
}

void acceptor::finish() noexcept {
    backoff_.reset();
    stop_listening();
    auto gone = std::move(waiters_);
    for (auto& w : gone) complete(std::move(w), asio::error::operation_aborted, io::stream());
}

void acceptor::stop_listening() noexcept {
    if (fd() < 0) return;
    if (shared_->file && !shared_->handed_over.load(std::memory_order_acquire) &&
        shared_.use_count() == 1)
        shared_->file->remove();
    close();
}

void acceptor::released() noexcept {
    live_.fetch_sub(1, std::memory_order_acq_rel);
    if (!wants_release_.load(std::memory_order_acquire)) return;
    asio::dispatch(executor_, [weak = weak_from_this()] {
        if (auto self = weak.lock()) {
            self->paused_ = false;
            self->go_on();
        }
    });
}

void acceptor::on_ready(bool, bool) {
    turn_began_ = info_.clock().now();
    go_on();
}

void acceptor::on_shutdown() noexcept { on_context_shutdown(); }

void acceptor::on_context_shutdown() noexcept {
    auto keep = weak_from_this().lock();
    backoff_.reset();
    close();
    // Destroyed without being called; the coroutines that wait go, and perhaps this with them.
    auto gone = std::move(waiters_);
}

/// Serves who waits, as far as it goes.
void acceptor::go_on() {
    while (!waiters_.empty()) {
        if (fd() < 0) {
            complete_front(error_code(), io::stream());
            continue;
        }
        if (paused_) return;
        // First say that we wait for a place, then look: a release in between is not missed.
        wants_release_.store(max_connections_ > 0, std::memory_order_release);
        if (full()) {
            if (closing_ && !somebody_waits()) {
                close();
                continue;
            }
            if (!relieve_ || closing_) return;
            if (somebody_waits()) return rest();
            exhausted(input);
            if (!waiting(input)) wait(input);
            return;
        }
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

bool acceptor::somebody_waits() const noexcept {
    pollfd queue{fd(), POLLIN, 0};
    return ::poll(&queue, 1, 0) > 0;
}

/// No descriptors, no memory, or no place: wait for one of our connections to close, or a while.
/// However many close meanwhile, the while ends when it was to end: then relief is asked for again.
void acceptor::rest() {
    if (!resting_) {
        if (!backoff_) backoff_ = std::make_unique<backoff>(*this);
        backoff_->arm_after(pause);
    }
    paused_ = true;
    wants_release_.store(true, std::memory_order_release);
    if (std::exchange(resting_, true)) return;
    if (relieve_ && !closing_) relieve_();  // may end connections here and now: last
}

acceptor::accepted acceptor::take(io::stream& s, error_code& ec) {
    for (;;) {
        endpoint peer;
        auto length = static_cast<socklen_t>(peer.capacity());
        const int socket =
            local_.is_unix() ? ::accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)
                             : ::accept4(fd(), peer.data(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            if (!local_.is_unix()) peer.resize(length);
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

acceptor::accepted acceptor::admit(int number, const endpoint& peer, io::stream& s) {
    file_descriptor socket(number);
    try {
        auto executor = base_ ? serialized(base_) : executor_;
        auto place = std::make_shared<permit>(weak_from_this());
        if (local_.is_unix()) {
            if (shared_->for_each)
                set_options(number, *shared_->for_each, socket_role::established);
            s = make_unix_stream(std::move(executor), socket.release(), &local_.unix_name(),
                                 std::move(place));
        } else {
            const endpoint& local = local_.ip();
            s = make_stream(std::move(executor), socket.release(), peer,
                            local.address().is_unspecified() ? nullptr : &local, std::move(place),
                            shared_->begins_small);
        }
    } catch (...) {
        return accepted::exhausted;  // memory, or a limit of epoll: the socket is closed
    }
    live_.fetch_add(1, std::memory_order_relaxed);
    return accepted::stream;
}

void acceptor::complete_front(error_code ec, io::stream s) {
    waiter w = std::move(waiters_.front());
    waiters_.pop_front();
    complete(std::move(w), ec, std::move(s));
}

void acceptor::complete(waiter w, error_code ec, io::stream s) {
    auto slot = asio::get_associated_cancellation_slot(w.complete);
    if (slot.is_connected()) slot.clear();
    asio::post(executor_, [w = std::move(w), ec, s = std::move(s)]() mutable {
        auto executor = std::move(w.executor);
        asio::dispatch(executor, asio::append(std::move(w.complete), ec, std::move(s)));
    });
}

void acceptor::cancel_waiter(std::uint64_t id) {
    for (auto w = waiters_.begin(); w != waiters_.end(); ++w) {
        if (w->id != id) continue;
        waiter gone = std::move(*w);
        waiters_.erase(w);
        if (waiters_.empty() && waiting(input)) cancel(input);
        return complete(std::move(gone), asio::error::operation_aborted, io::stream());
    }
}

namespace {

awaitable<io::stream> accept_on(std::shared_ptr<acceptor> self, std::source_location where) {
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    if (here == self->executor()) {
        if (io::stream s = self->take_now()) co_return s;
    }
    const wait_scope waiting(context_info::of(here), "accept", where);
    auto initiate = [self](auto h) {
        auto& executor = self->executor();
        asio::dispatch(executor, [self, h = acceptor::handler(std::move(h))]() mutable {
            self->start(std::move(h));
        });
    };
    constexpr auto as_result = asio::as_tuple(asio::deferred);
    auto [ec, s] =
        co_await asio::async_initiate<decltype(as_result), void(io::error_code, io::stream)>(
            std::move(initiate), as_result);
    if (ec) throw failure::from(ec, "accept failed").with("address", to_string(self->local()));
    co_return std::move(s);
}

}  // namespace

awaitable<io::stream> acceptor::accept(std::source_location where) {
    return accept_on(shared_from_this(), where);
}

}  // namespace weft::net::detail
