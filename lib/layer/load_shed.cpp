// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/deadline.hpp>
#include <weft/layer/detail/token_bucket.hpp>
#include <weft/layer/load_shed.hpp>

#include <algorithm>
#include <limits>

namespace weft::detail {

namespace {

std::int64_t counted(std::size_t n) noexcept {
    return static_cast<std::int64_t>(std::clamp<std::size_t>(n, 1, 1'000'000'000));
}

}  // namespace

shed_state::shed_state(const load_shed_options& options) noexcept
    : options_(options),
      limit_(std::clamp(counted(options.initial), counted(options.min),
                        std::max(counted(options.max), counted(options.min))) *
             unit),
      last_cut_(std::numeric_limits<std::int64_t>::min() / 2) {}

shed_state::place::place(shed_state& of, const extensions* ext, const clock& time)
    : of_(of), time_(time), began_(time.now()) {
    if (ext)
        if (const deadline* d = ext->get<deadline>())
            too_late_ = d->left(began_) <= clock::duration::zero();
    inside_ = !too_late_ && of.enter();
}

bool shed_state::enter() noexcept {
    const std::int64_t most = limit_.load(std::memory_order_relaxed) / unit;
    std::int64_t inside = inside_.load(std::memory_order_relaxed);
    while (inside < most)
        if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_relaxed))
            return true;
    return false;
}

void shed_state::learn(bool overloaded, clock::time_point began, clock::time_point now) noexcept {
    const std::int64_t limit = limit_.load(std::memory_order_relaxed);
    const std::int64_t least = counted(options_.min) * unit;
    const std::int64_t most = std::max(counted(options_.max) * unit, least);
    if (overloaded || now - began > options_.target) {
        // Those who were inside together tell one thing: it counts once.
        std::int64_t last = last_cut_.load(std::memory_order_relaxed);
        const std::int64_t at = bucket_time(now);
        if (at - last < bucket_time(clock::time_point(options_.target)) ||
            !last_cut_.compare_exchange_strong(last, at, std::memory_order_relaxed))
            return;
        const double kept = static_cast<double>(limit) * std::clamp(options_.backoff, 0.1, 0.99);
        limit_.store(std::max(static_cast<std::int64_t>(kept), least), std::memory_order_relaxed);
    } else if (limit < most && inside_.load(std::memory_order_relaxed) * 2 * unit >= limit) {
        // A step that another core makes at the same time may be lost: both are a thousandth.
        limit_.store(std::min(limit + std::max<std::int64_t>(unit * unit / limit, 1), most),
                     std::memory_order_relaxed);
    }
}

failure shed_state::refusal(const place& p, std::source_location where) const {
    if (p.too_late_)
        return failure(failure_kind::timeout, "the deadline had passed before the call", where)
            .in(failure_domain::local)
            .delivered(delivery::not_sent);
    return failure(failure_kind::rejected, "overloaded: too many calls at once", where)
        .with("limit", static_cast<long long>(limit()))
        .with("target_ms",
              std::chrono::duration_cast<std::chrono::milliseconds>(options_.target).count())
        .delivered(delivery::not_sent);
}

std::size_t shed_state::limit() const noexcept {
    return static_cast<std::size_t>(limit_.load(std::memory_order_relaxed) / unit);
}
std::size_t shed_state::inside() const noexcept {
    return static_cast<std::size_t>(
        std::max<std::int64_t>(inside_.load(std::memory_order_relaxed), 0));
}

bool says_overloaded(const std::exception_ptr& thrown) noexcept {
    const failure_kind kind = failure::from(thrown).kind();
    return kind == failure_kind::timeout || kind == failure_kind::exhausted;
}

}  // namespace weft::detail
