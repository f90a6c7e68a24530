// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "descriptor.hpp"

#include "reactor.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace weft::net::detail {

namespace asio = boost::asio;

/// Waiting by Asio. Shared by its handlers: they may run after the descriptor has gone.
class asio_waits : public std::enable_shared_from_this<asio_waits> {
  public:
    asio_waits(const asio::any_io_executor& executor, context_info& info, descriptor& owner)
        : info_(info), owner_(&owner), asio_(executor) {}

    /// In two steps, because assign may throw, and then the descriptor is still the caller's.
    void open(int fd) { asio_.assign(fd); }

    void wait(descriptor::direction d) {
        const unsigned number = ++numbers_[d];
        asio_.async_wait(d == descriptor::input ? asio::posix::descriptor_base::wait_read
                                                : asio::posix::descriptor_base::wait_write,
                         handler(shared_from_this(), d, number));
    }
    void cancel(descriptor::direction d) noexcept {
        ++numbers_[d];
        // Asio cancels both directions; the one that goes on is waited for anew by its handler.
        boost::system::error_code ignored;
        asio_.cancel(ignored);
    }
    void close() noexcept {
        owner_ = nullptr;
        boost::system::error_code ignored;
        asio_.close(ignored);
    }

  private:
    class handler {
      public:
        handler(std::shared_ptr<asio_waits> waits, descriptor::direction d, unsigned number)
            : waits_(std::move(waits)), external_(waits_->info_), direction_(d), number_(number) {}
        handler(handler&&) noexcept = default;
        handler& operator=(handler&&) = delete;
        ~handler() {
            // Destroyed without having run: the context goes away.
            if (waits_ && waits_->owner_ && number_ == waits_->numbers_[direction_]) {
                auto keep = std::move(waits_);
                descriptor* owner = std::exchange(keep->owner_, nullptr);
                owner->waits_ = 0;
                owner->on_shutdown();
            }
        }
        void operator()(boost::system::error_code ec) {
            auto waits = std::move(waits_);
            external_.reset();
            if (!waits->owner_ || number_ != waits->numbers_[direction_]) return;
            if (ec == asio::error::operation_aborted) return waits->wait(direction_);
            waits->owner_->happened(descriptor::bit(direction_));
        }

      private:
        std::shared_ptr<asio_waits> waits_;
        external_work external_;
        descriptor::direction direction_;
        unsigned number_;
    };

    context_info& info_;
    descriptor* owner_;
    asio::posix::stream_descriptor asio_;
    unsigned numbers_[2] = {0, 0};  // of the wait that counts, for each direction
};

descriptor::descriptor(const asio::any_io_executor& executor, context_info& info, int fd)
    : fd_(fd), events_(may_write), counted_(info.live().descriptors) {
    try {
        if (reactor* r = reactor::of(executor, info)) {
            r->add(*this);
        } else {
            asio_ = std::make_shared<asio_waits>(executor, info, *this);
            asio_->open(fd);
        }
    } catch (...) {
        ::close(fd_);
        throw;
    }
}

descriptor::~descriptor() { close(); }

void descriptor::wait(direction d) {
    waits_ |= bit(d);
    if (reactor_)
        reactor_->began();
    else if (asio_)
        asio_->wait(d);
}

void descriptor::cancel(direction d) noexcept {
    if (!waiting(d)) return;
    waits_ &= static_cast<std::uint8_t>(~bit(d));
    if (reactor_)
        reactor_->ended(1);
    else if (asio_)
        asio_->cancel(d);
}

void descriptor::close(bool reset) noexcept {
    if (fd_ < 0) return;
    if (reset) {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (reactor_) {
        const unsigned waits = (waits_ & 1u) + ((waits_ >> 1) & 1u);
        if (waits) reactor_->ended(waits);
        reactor_->remove(*this);
    }
    if (asio_)
        std::exchange(asio_, nullptr)->close();  // closes the descriptor
    else
        ::close(fd_);
    waits_ = 0;
    fd_ = -1;
    counted_.reset();
}

void descriptor::happened(std::uint8_t events) {
    events_ |= events;
    const std::uint8_t over = waits_ & events_;
    if (!over) return;
    waits_ &= static_cast<std::uint8_t>(~over);
    if (reactor_) reactor_->ended((over & 1u) + ((over >> 1) & 1u));
    on_ready((over & may_read) != 0, (over & may_write) != 0);
}

}  // namespace weft::net::detail
