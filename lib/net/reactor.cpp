// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "reactor.hpp"

#include <weft/core/failure.hpp>
#include <weft/runtime/executor.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <cerrno>
#include <utility>

#include <unistd.h>

namespace weft::net::detail {

namespace asio = boost::asio;

asio::execution_context::id reactor::id;

namespace {

int make_epoll() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        throw failure::from(boost::system::error_code(errno, boost::system::system_category()),
                            "cannot make an epoll descriptor");
    return fd;
}

}  // namespace

reactor::reactor(asio::execution_context& context)
    : service(context), info_(context_info::of(context)), epoll_(make_epoll()) {}

reactor::~reactor() {
    if (!asio_ && epoll_ >= 0) ::close(epoll_);
}

reactor* reactor::of(const asio::any_io_executor& executor, context_info& info) {
    if (!info.serial() && !executor.target<serial_executor>()) return nullptr;
    auto& context =
        static_cast<asio::execution_context&>(asio::query(executor, asio::execution::context));
    auto& self = asio::use_service<reactor>(context);
    if (!self.asio_ && self.epoll_ >= 0) self.asio_.emplace(executor, self.epoll_);
    return &self;
}

void reactor::add(descriptor& d) {
    std::uint32_t index = free_;
    if (index == no_slot) {
        index = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        free_ = slots_[index].next_free;
    }
    slot& s = slots_[index];
    // Index and generation, not a pointer: an event that was already fetched for a descriptor that
    // is gone says nothing.
    epoll_event e{};
    e.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    e.data.u64 = (std::uint64_t{s.generation} << 32) | index;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, d.fd_, &e) != 0) {
        const int error = errno;
        s.next_free = free_;
        free_ = index;
        throw failure::from(boost::system::error_code(error, boost::system::system_category()),
                            "cannot wait for a descriptor");
    }
    s.held = &d;
    d.slot_ = index;
    d.reactor_ = this;
}

void reactor::remove(descriptor& d) noexcept {
    slot& s = slots_[d.slot_];
    s.held = nullptr;
    ++s.generation;
    s.next_free = free_;
    free_ = d.slot_;
    d.reactor_ = nullptr;
}

void reactor::began() {
    if (waits_++ == 0) external_ = external_work(info_);
    // Armed but taken back: the handler of that wait arms anew.
    if (state_ == state::idle) arm();
}

void reactor::ended(unsigned waits) noexcept {
    waits_ -= waits;
    if (waits_ > 0) return;
    external_.reset();
    if (state_ == state::armed && !cancelled_) {
        // An armed wait would keep run() from returning.
        cancelled_ = true;
        boost::system::error_code ignored;
        asio_->cancel(ignored);
    }
}

void reactor::arm() {
    state_ = state::armed;
    cancelled_ = false;
    asio_->async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](boost::system::error_code ec) {
                          if (ec == asio::error::operation_aborted) {
                              state_ = state::idle;
                              if (waits_ > 0) arm();
                              return;
                          }
                          process();
                      });
}

void reactor::post() {
    state_ = state::posted;
    asio::post(asio_->get_executor(), [this] { process(); });
}

void reactor::go_on() {
    if (waits_ == 0) {
        state_ = state::idle;
    } else if (count_ > 1) {
        post();  // busy: more is likely there already, and looking is cheaper than arming
    } else {
        arm();
    }
}

void reactor::process() {
    if (state_ == state::working) return;  // a handler of ours runs the context inside itself
    state_ = state::working;
    if (next_ == count_) {
        next_ = 0;
        const int n = ::epoll_wait(epoll_, events_.data(), static_cast<int>(batch), 0);
        count_ = n > 0 ? n : 0;
    }
    // What a handler throws leaves run(); the rest of the batch is served when run() is called
    // again.
    struct resume {
        reactor& self;
        ~resume() {
            if (self.next_ < self.count_)
                self.post();
            else
                self.go_on();
        }
    } resume{*this};
    while (next_ < count_) {
        const epoll_event& e = events_[static_cast<std::size_t>(next_++)];
        const auto index = static_cast<std::uint32_t>(e.data.u64);
        const slot& s = slots_[index];
        if (!s.held || s.generation != static_cast<std::uint32_t>(e.data.u64 >> 32)) continue;
        std::uint8_t events = 0;
        if (e.events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) events |= descriptor::may_read;
        if (e.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) events |= descriptor::may_write;
        if (e.events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) events |= descriptor::ending;
        s.held->happened(events);
    }
}

void reactor::shutdown() {
    // From here on nothing waits: descriptors that are used by handlers destroyed later find no
    // reactor.
    state_ = state::working;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (descriptor* d = slots_[i].held) {
            remove(*d);
            d->waits_ = 0;
            d->counted_.reset();
            d->on_shutdown();
        }
    }
    waits_ = 0;
    external_.reset();
    // Now: Asio's service behind it, younger than this one, is destroyed before it.
    asio_.reset();
    epoll_ = -1;
}

}  // namespace weft::net::detail
