// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/attempt.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/dns/system_resolver.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace weft::dns::detail {

/// Look-ups that block, on a few threads apart.
///
/// Three parties meet at one look-up: those who asked (and may be cancelled), the thread (which may
/// never come back), and the execution contexts of those who asked (which may end first). Each who
/// asks has a waiter; under the pool's lock its handler is taken exactly once, by whoever is first.
/// A thread holds nothing but the pool and the look-up, so all else may be gone when it returns,
/// main included.
class look_up_pool : public std::enable_shared_from_this<look_up_pool> {
  public:
    explicit look_up_pool(system_options o) : options(std::move(o)) {}

    /// Waits for a thread, unless one is at that name already, and for the answer. `begun` is set
    /// as soon as a thread has taken it.
    awaitable<answer> ask(net::resolve_request what, bool* begun);

    [[nodiscard]] std::size_t busy() const {
        const std::lock_guard lock(mutex_);
        return busy_;
    }
    [[nodiscard]] std::size_t queued() const {
        const std::lock_guard lock(mutex_);
        return queue_.size();
    }

    const system_options options;

    struct waiter;
    struct look_up;
    class waiters_of_context;

  private:
    using outcome = std::optional<result<answer>>;
    using handler = boost::asio::any_completion_handler<void(outcome)>;

    using key = std::pair<std::string, net::address_family>;

    void start(const boost::asio::any_io_executor& executor, key k,
               const std::shared_ptr<waiter>& w, handler h);
    void join(const std::shared_ptr<waiter>& w, key k);
    void leave(waiter& w);
    void finish(const std::shared_ptr<waiter>& w, outcome o);
    void drop(const std::shared_ptr<waiter>& w);
    void work();

    mutable std::mutex mutex_;
    std::map<key, std::shared_ptr<look_up>> asked_;  ///< those that wait for a thread, and run
    std::deque<std::shared_ptr<look_up>> queue_;     ///< those that wait
    std::size_t threads_ = 0;
    std::size_t busy_ = 0;
};

}  // namespace weft::dns::detail
