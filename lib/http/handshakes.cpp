// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "handshakes.hpp"

#include "server_connection.hpp"
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace weft::http::detail {

/// One handshake. What is not atomic belongs to the executor of its stream.
class handshakes::one final : public tls::detail::handshake_watch,
                              public std::enable_shared_from_this<one> {
  public:
    explicit one(const io::stream& s)
        : executor_(s.get_executor()), info_(s.impl().context()), began_(info_.clock().now()) {}

    /// From any thread.
    void drain() {
        boost::asio::post(executor_, [self = shared_from_this()] { self->start_draining(); });
    }
    void give_up() {
        given_up_ = true;
        boost::asio::post(executor_, [self = shared_from_this()] { self->abort(); });
    }
    [[nodiscard]] bool given_up() const noexcept { return given_up_; }
    [[nodiscard]] bool is_slow() const noexcept {
        return info_.clock().now() - began_ >= first_word;
    }

    void begins(io::stream& below) override {
        below_ = &below;
        if (given_up_) abort();
        if (draining_) start_draining();
    }
    void ends() noexcept override {
        below_ = nullptr;
        limit_.reset();
    }

  private:
    struct limit : deadlines::entry {
        explicit limit(one& o)
            : entry(o.info_.deadlines(), o.executor_,
                    [](deadlines::entry& e) noexcept { static_cast<limit&>(e).owner.overdue(); }),
              owner(o) {}
        one& owner;
    };

    void start_draining() {
        draining_ = true;
        if (!below_ || heard || limit_) return;
        const auto left = first_word - (info_.clock().now() - began_);
        if (left <= left.zero()) return overdue();
        limit_.emplace(*this);
        limit_->arm_after(std::chrono::ceil<std::chrono::milliseconds>(left));
    }
    void overdue() noexcept {
        if (heard) return;  // it may finish: its own limit and the drain's remain
        given_up_ = true;
        abort();
    }
    void abort() noexcept {
        if (below_) below_->abort();
    }

    const boost::asio::any_io_executor executor_;
    context_info& info_;
    const clock::time_point began_;
    std::atomic<bool> given_up_ = false;
    io::stream* below_ = nullptr;  // while the handshake lasts
    bool draining_ = false;
    std::optional<limit> limit_;
};

handshakes::entry::entry(handshakes& all, const io::stream& connection) : all_(all) {
    auto h = std::make_shared<one>(connection);
    const std::lock_guard lock(all_.mutex_);
    if (all_.draining_) h->drain();
    at_ = all_.all_.insert(all_.all_.end(), std::move(h));
}

handshakes::entry::~entry() {
    const std::lock_guard lock(all_.mutex_);
    all_.all_.erase(at_);
}

tls::detail::handshake_watch& handshakes::entry::watch() const noexcept { return **at_; }
bool handshakes::entry::given_up() const noexcept { return (*at_)->given_up(); }

void handshakes::drain() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    for (const auto& h : all_) h->drain();
}

std::size_t handshakes::relieve(std::size_t most, bool heard) {
    std::vector<std::shared_ptr<one>> slow;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& h : all_) {
            if (slow.size() == most || !h->is_slow()) break;  // those behind it are younger
            if (!h->given_up() && h->heard == heard) slow.push_back(h);
        }
    }
    for (const auto& h : slow) h->give_up();
    return slow.size();
}

}  // namespace weft::http::detail
