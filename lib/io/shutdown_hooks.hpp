// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>

#include <mutex>

namespace weft::io::detail {

/// Tells what waits outside Asio's own queues that an execution context is going away. Pending
/// operations own the coroutines that own the streams, so without it a context destroyed early
/// would leak the whole circle.
class shutdown_hooks final : public boost::asio::execution_context::service {
  public:
    using key_type = shutdown_hooks;
    static boost::asio::execution_context::id id;

    /// One thing that wants to know; pinned. add and remove are called on its executor.
    class hook {
      public:
        hook() = default;
        hook(const hook&) = delete;
        hook& operator=(const hook&) = delete;

        void add(const boost::asio::any_io_executor& executor);
        /// No-op when it was called, or was never added.
        void remove() noexcept;

      protected:
        ~hook() = default;
        /// The context shuts down: abandon what is pending. May free this hook and remove others.
        virtual void on_context_shutdown() noexcept = 0;

      private:
        friend class shutdown_hooks;
        shutdown_hooks* owner_ = nullptr;
        hook* next_ = nullptr;
        hook* previous_ = nullptr;
    };

    explicit shutdown_hooks(boost::asio::execution_context& context) : service(context) {}

  private:
    void shutdown() override;

    std::mutex mutex_;
    hook* first_ = nullptr;
};

}  // namespace weft::io::detail
