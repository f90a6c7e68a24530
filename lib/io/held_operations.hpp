// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/io/operation.hpp>
#include <weft/io/stream_impl.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace weft::io::detail {

/// Operations of streams that a test fails or holds back (testing::fault_plan): begun for their
/// stream, and not yet for its transport. One thread.
class held_operations final : public boost::asio::execution_context::service {
  public:
    using key_type = held_operations;
    static boost::asio::execution_context::id id;

    explicit held_operations(boost::asio::execution_context& context);
    ~held_operations() override;

    /// Whether anything may be held at all: outside of a fault_plan nothing below need be called.
    static bool may_hold(const context_info& info) noexcept {
        return info.waits() && info.waits()->hook();
    }

    /// True when the operation fails, or begins later: then the transport need not know yet.
    static bool begin_read(stream_impl& of, mutable_buffers buffers, operation& op);
    static bool begin_write(stream_impl& of, const_buffers buffers, operation& op);
    static bool begin_shutdown(stream_impl& of, operation& op);
    /// True when it was held: it is cancelled.
    static bool cancel(stream_impl& of, operation& op) noexcept;
    /// The stream ends: what is held for it completes with operation_aborted.
    static void end_all(stream_impl& of) noexcept;

    struct held;

  private:
    static held_operations& at(const stream_impl& of);
    static bool begin(stream_impl& of, operation& op, const char* what, std::unique_ptr<held> h);
    template <class Predicate>
    std::unique_ptr<held> take(Predicate which) noexcept;
    void shutdown() override;

    std::vector<std::unique_ptr<held>> all_;
    std::uint64_t numbers_ = 0;
};

}  // namespace weft::io::detail
