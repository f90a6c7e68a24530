// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/count.hpp>

#include <functional>
#include <thread>

namespace weft::detail {

sharded_counts::shard& sharded_counts::here() noexcept {
    return shards_[std::hash<std::thread::id>()(std::this_thread::get_id()) % shards_.size()];
}

call_counts sharded_counts::sum() const noexcept {
    call_counts all;
    std::uint64_t ended = 0;
    // What has ended is read before what has begun: never more of the first.
    for (const shard& s : shards_) {
        ended += s.ended.load(std::memory_order_relaxed);
        all.failed += s.failed.load(std::memory_order_relaxed);
        all.cancelled += s.cancelled.load(std::memory_order_relaxed);
    }
    for (const shard& s : shards_) all.total += s.begun.load(std::memory_order_relaxed);
    all.in_flight = static_cast<std::int64_t>(all.total - ended);
    return all;
}

}  // namespace weft::detail
