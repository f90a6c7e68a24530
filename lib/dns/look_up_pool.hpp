// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/attempt.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/dns/system_resolver.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <mutex>
#include <optional>

namespace weft::dns::detail {

/// Look-ups that block, on a few threads apart.
///
/// Three parties meet at one look-up: who asked (and may be cancelled), the thread (which may never
/// come back), and the execution context of who asked (which may end first). What they share is a
/// job; under the pool's lock its handler is taken exactly once, by whoever is first. A thread
/// holds nothing but the pool and the job, so all else may be gone when it returns, main included.
class look_up_pool : public std::enable_shared_from_this<look_up_pool> {
  public:
    explicit look_up_pool(system_options o) : options(std::move(o)) {}

    /// Waits for a thread, and for the answer. `begun` is set as soon as a thread has taken it.
    awaitable<answer> look_up(net::resolve_request what, bool* begun);

    [[nodiscard]] std::size_t busy() const {
        const std::lock_guard lock(mutex_);
        return busy_;
    }
    [[nodiscard]] std::size_t queued() const {
        const std::lock_guard lock(mutex_);
        return queue_.size();
    }

    const system_options options;

    struct job;
    class context_jobs;

  private:
    using outcome = std::optional<result<answer>>;
    using handler = boost::asio::any_completion_handler<void(outcome)>;

    void start(const boost::asio::any_io_executor& executor, std::shared_ptr<job> j, handler h);
    void finish(const std::shared_ptr<job>& j, outcome o);
    void drop(const std::shared_ptr<job>& j);
    void work();

    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<job>> queue_;
    std::size_t threads_ = 0;
    std::size_t busy_ = 0;
};

}  // namespace weft::dns::detail
