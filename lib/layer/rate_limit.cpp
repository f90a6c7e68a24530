// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/phase.hpp>
#include <weft/layer/rate_limit.hpp>
#include <weft/runtime/sleep.hpp>

#include <fmt/format.h>

#include <string>

namespace weft::detail {

rate_state::rate_state(const rate_limit_options& o, bool keyed)
    : options_(o),
      rate_(token_rate::of(o.limit, o.per, o.burst)),
      max_wait_(std::chrono::duration_cast<std::chrono::nanoseconds>(o.max_wait).count()) {
    if (keyed) keyed_.emplace(o.max_keys);
}

failure rate_state::refusal(const token_bucket::taken& t, std::source_location where) const {
    using std::chrono::milliseconds;
    return failure(failure_kind::rejected, "too many calls in a time", where)
        .with("limit", static_cast<long long>(options_.limit))
        .with("per_ms", std::chrono::duration_cast<milliseconds>(options_.per).count())
        .delivered(delivery::not_sent)
        .after(std::chrono::nanoseconds(t.wait));
}

awaitable<void> rate_state::wait(token_bucket& bucket, token_bucket::taken t, const extensions* ext,
                                 std::source_location where) {
    const auto executor = co_await boost::asio::this_coro::executor;
    // However the wait ends early, by an exception or by the end of its frame.
    struct turn {
        token_bucket& from;
        const token_bucket::taken& taken;
        const token_rate& rate;
        bool used = false;
        ~turn() {
            if (!used) from.give_back(taken, rate);
        }
    } mine{bucket, t, rate_};
    phase_timer waiting(ext, context_info::of(executor).clock(), "rate", where);
    co_await sleep_for(std::chrono::nanoseconds(t.wait), where);
    mine.used = true;
}

}  // namespace weft::detail
