// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "descriptor.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <sys/epoll.h>

namespace weft::net::detail {

/// An edge-triggered epoll of weft's own inside an io_context that one thread runs.
///
/// Why: Asio tries each read before it waits, so every request on a keep-alive connection pays a
/// recv that says EAGAIN (0.3 µs), and each completion goes through the scheduler's queue and lock.
/// Here a descriptor is registered once for everything, its readiness is remembered, and one
/// handler serves a whole batch of ready connections.
///
/// How: the io_context waits for one descriptor, this epoll. While batches are full of work we look
/// again by post; when one is small we go back to waiting in Asio. Only pending waits are work for
/// the context: with none, run() returns.
class reactor final : public boost::asio::execution_context::service {
  public:
    using key_type = reactor;
    static boost::asio::execution_context::id id;

    explicit reactor(boost::asio::execution_context& context);
    ~reactor() override;

    /// The reactor for streams on `executor`, or null where Asio has to wait because several
    /// threads run the context.
    static reactor* of(const boost::asio::any_io_executor& executor, context_info& info);

    void add(descriptor& d);
    void remove(descriptor& d) noexcept;
    /// `d` began to wait in one more direction.
    void began();
    /// So many waits ended without an event.
    void ended(unsigned waits) noexcept;

  private:
    struct slot {
        descriptor* held = nullptr;
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
    };
    enum class state : unsigned char {
        idle,    ///< nobody waits
        armed,   ///< Asio waits for the epoll descriptor
        posted,  ///< a handler is in the queue
        working  ///< in process()
    };

    void shutdown() override;
    void go_on();
    void arm();
    void post();
    void process();

    static constexpr std::uint32_t no_slot = 0xffffffff;
    static constexpr std::size_t batch = 128;

    context_info& info_;
    int epoll_ = -1;
    std::optional<boost::asio::posix::stream_descriptor>
        asio_;                // waits for epoll_, on the first user's executor
    external_work external_;  // while somebody waits
    std::vector<slot> slots_;
    std::uint32_t free_ = no_slot;
    std::size_t waits_ = 0;
    state state_ = state::idle;
    bool cancelled_ = false;  // armed, but the wait was taken back
    int next_ = 0;            // in events_
    int count_ = 0;
    std::array<epoll_event, batch> events_;
};

}  // namespace weft::net::detail
