// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "pool_shard.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/http/pool.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace weft::http::detail {

/// What all copies of a pool share: a shard for each execution context that has used it.
class pool_core final : public std::enable_shared_from_this<pool_core> {
  public:
    pool_core(connection_opener open, client_options options);
    pool_core(const pool_core&) = delete;
    pool_core& operator=(const pool_core&) = delete;
    ~pool_core();

    awaitable<response> serve(request r);
    awaitable<void> close();
    [[nodiscard]] pool_statistics statistics() const;

  private:
    /// Shards are found without a lock: they are never taken out, and one whose context has ended
    /// is used again.
    struct node {
        std::shared_ptr<pool_shard> shard;
        node* next;
    };

    pool_shard& shard_of(const boost::asio::any_io_executor& executor);
    pool_shard& make_shard(boost::asio::execution_context& context);
    template <class F>
    void each_shard(F&& f) const {
        for (const node* n = first_.load(std::memory_order_acquire); n; n = n->next) f(*n->shard);
    }

    const std::shared_ptr<pool_setup> setup_;
    std::atomic<node*> first_{nullptr};
    std::mutex making_;
};

}  // namespace weft::http::detail
