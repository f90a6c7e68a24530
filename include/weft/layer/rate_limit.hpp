// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/detail/keyed_buckets.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

struct rate_limit_options {
    /// So many calls...
    std::uint64_t limit = 100;
    /// ... in this time, in the long run.
    clock::duration per = std::chrono::seconds(1);
    /// So many at once after a rest; 0: `limit`.
    std::uint64_t burst = 0;
    /// How long a call may wait for its turn. 0: it is rejected at once.
    clock::duration max_wait = clock::duration::zero();
    /// With a key: how many keys are remembered at least. 24 bytes each, taken at once.
    std::size_t max_keys = 16 * 1024;
};

namespace detail {

struct no_key {};

template <class T>
struct key_type {
    using type = T;
};
template <class T>
struct key_type<std::optional<T>> {
    using type = T;
};

/// What all copies of a rate_limit share.
class rate_state {
  public:
    explicit rate_state(const rate_limit_options& o, bool keyed);

    /// The bucket of a request without key.
    token_bucket& only() noexcept { return only_; }
    template <class Key>
    token_bucket& of(const Key& key, std::int64_t now, context_info& info) noexcept {
        const hash_secret& secret = keyed_->secret([&] { return info.entropy().next(); });
        return keyed_->find(key_hash(secret, key), now);
    }
    token_bucket::taken take(token_bucket& bucket, std::int64_t now) noexcept {
        return bucket.take(now, rate_, max_wait_);
    }

    /// Why a call may not pass.
    [[nodiscard]] failure refusal(const token_bucket::taken& t, std::source_location where) const;
    /// Sleeps until the token that was taken is there. Throws when it is cancelled, and gives it
    /// back.
    awaitable<void> wait(token_bucket& bucket, token_bucket::taken t, const extensions* ext,
                         std::source_location where);

    [[nodiscard]] std::size_t busy_keys(std::int64_t now) const noexcept {
        return keyed_ ? keyed_->busy(now) : 0;
    }

  private:
    rate_limit_options options_;
    token_rate rate_;
    std::int64_t max_wait_;
    token_bucket only_;
    std::optional<keyed_buckets> keyed_;
};

}  // namespace detail

/// Lets so many calls pass in a time, by a token bucket: all together, or each key by itself.
///
///     auto calm = rate_limit({.limit = 100, .per = 1s}) >> client;
///     auto fair = rate_limit({.limit = 10, .per = 1s, .burst = 50}, [](const http::request& r) {
///                     return std::string(r.header("X-Api-Key").value_or(""));
///                 }) >> router;
///
/// Belongs outside of what costs something, and outside of retries if a retry is to count once. At
/// an HTTP server's edge http::rate_limit answers 429 instead of throwing.
///
/// A token comes every per/limit; up to `burst` are saved up, the bucket is full at first. A call
/// without a token waits for its own, in the order of arrival, if that is within `max_wait`; else
/// it throws a failure of kind rejected, not_sent, that names the limit and says in retry_after()
/// when to come again. A call that is cancelled while it waits leaves its token to the next one
/// when nobody came after it; otherwise the token is lost, and the rate never exceeded.
///
/// **Keys.** `key(const Req&)` gives a text, or a plain value without padding (an integer, an array
/// of bytes); an optional that is empty passes without limit. Never printed. There is room for
/// `max_keys` and no more: a key that is new takes the place of one whose bucket is full, which
/// loses nothing; when there is none, of one that is nearly full, which then has a full bucket.
///
/// **Sharing.** Copies share the buckets, on all cores. Passing costs a coroutine, a reading of the
/// clock and one atomic operation on the bucket's word (with a key: a hash and a look at eight
/// slots); no lock.
template <class Key = detail::no_key>
class rate_limit : public pipeable {
  public:
    static constexpr bool keyed = !std::is_same_v<Key, detail::no_key>;

    explicit rate_limit(const rate_limit_options& options,
                        std::source_location where = std::source_location::current())
        requires(!keyed)
        : state_(std::make_shared<detail::rate_state>(options, false)), where_(where) {}
    rate_limit(const rate_limit_options& options, Key key,
               std::source_location where = std::source_location::current())
        : state_(std::make_shared<detail::rate_state>(options, true)),
          key_(std::move(key)),
          where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        const auto executor = co_await boost::asio::this_coro::executor;
        context_info& info = context_info::of(executor);
        const std::int64_t now = detail::bucket_time(info.clock().now());
        if (detail::token_bucket* bucket = bucket_of(request, now, info)) {
            const auto taken = state_->take(*bucket, now);
            if (!taken.granted) throw state_->refusal(taken, where_);
            if (taken.wait > 0)
                co_await state_->wait(*bucket, taken, extensions_of(request), where_);
        }
        co_return co_await next(std::move(request));
    }

    /// Keys that have used tokens which are not there again; looks at the whole table.
    [[nodiscard]] std::size_t busy_keys(clock::time_point now) const noexcept {
        return state_->busy_keys(detail::bucket_time(now));
    }

  protected:
    template <class Req>
    detail::token_bucket* bucket_of(const Req& request, std::int64_t now,
                                    context_info& info) const {
        if constexpr (!keyed) {
            return &state_->only();
        } else {
            auto key = std::invoke(key_, request);
            using plain = typename detail::key_type<decltype(key)>::type;
            static_assert(detail::hashable_key<plain>,
                          "weft: rate_limit: a key is a text or a plain value without padding, or "
                          "an optional of one");
            if constexpr (std::is_same_v<plain, decltype(key)>)
                return &state_->of(key, now, info);
            else
                return key ? &state_->of(*key, now, info) : nullptr;
        }
    }

    std::shared_ptr<detail::rate_state> state_;
    [[no_unique_address]] Key key_;
    std::source_location where_;
};

rate_limit(rate_limit_options) -> rate_limit<>;
template <class Key>
rate_limit(rate_limit_options, Key) -> rate_limit<Key>;

}  // namespace weft
