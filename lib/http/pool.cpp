// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connect_times.hpp"
#include "pool_core.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/observe.hpp>
#include <weft/http/client.hpp>
#include <weft/layer/phase.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/shielded.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace weft::http {

namespace asio = boost::asio;

awaitable<pooled_connection> handshake::begin(std::shared_ptr<const client_options> options,
                                              awaitable<io::stream> connecting) {
    io::stream stream = co_await std::move(connecting);
    co_return detail::make_client_connection(std::move(stream), options);
}

namespace detail {

namespace {

constexpr counter resends{"weft.http.client.resends", "{request}",
                          "Requests sent again because a kept connection was stale."};
/// How long close() waits for objects that nobody but it should hold any more.
constexpr std::chrono::milliseconds settling{100};

/// Tells the shards of a context when it ends.
class shards_of_context final : public asio::execution_context::service {
  public:
    static asio::execution_context::id id;

    explicit shards_of_context(asio::execution_context& context)
        : asio::execution_context::service(context) {}

    void add(const std::shared_ptr<pool_shard>& shard) {
        const std::lock_guard lock(mutex_);
        std::erase_if(shards_, [](const auto& weak) { return weak.expired(); });
        shards_.push_back(shard);
    }

  private:
    void shutdown() override {
        std::vector<std::weak_ptr<pool_shard>> all;
        {
            const std::lock_guard lock(mutex_);
            all.swap(shards_);
        }
        for (const auto& weak : all)
            if (const auto shard = weak.lock()) shard->abandon();
    }

    std::mutex mutex_;
    std::vector<std::weak_ptr<pool_shard>> shards_;
};
asio::execution_context::id shards_of_context::id;

/// Notes where a request waited for its connection; for the one that was opened for it, what that
/// took, part by part.
void note_waiting(const extensions& of, const pool_opening* opened, clock::duration waited) {
    if (!opened) {
        of.insert(phase{"queue", waited});
        return;
    }
    const auto known = [&](std::atomic<std::int64_t> connect_times::* part) {
        const connect_times* const times = opened->facts.get<connect_times>();
        const std::int64_t n = times ? (times->*part).load(std::memory_order_relaxed) : -1;
        return n < 0 ? std::nullopt : std::optional(std::min(clock::duration(n), waited));
    };
    const auto dns = known(&connect_times::dns);
    if (dns) of.insert(phase{"dns", *dns});
    waited -= dns.value_or(clock::duration::zero());
    const auto tls = known(&connect_times::tls);
    of.insert(phase{"connect", waited - tls.value_or(clock::duration::zero())});
    if (tls) of.insert(phase{"tls", *tls});
}

/// One attempt. Its parts lie in the frame of serve(), which awaits it.
struct attempt_of {
    request& r;
    pool_lease lease;
    std::optional<clock::duration> waited;  ///< for the connection, if it did
    bool is_last = false;
    bool stays = false;           ///< what goes out is still there afterwards
    std::optional<request> copy;  ///< if not: the same once more, where that can be had

    /// On the connection's executor. Null when the connection has ended meanwhile.
    std::shared_ptr<pooled> begin() {
        std::shared_ptr<pooled> on = lease.begin();
        if (!on) return on;
        if (waited) note_waiting(r.extensions(), lease.opened_by().get(), *waited);
        stays = r.body().in_memory() != nullptr;
        if (may_repeat() && !stays) copy = r.replay();
        return on;
    }
    [[nodiscard]] bool may_repeat() const noexcept { return !is_last && lease.reused(); }
    /// Makes the request what it was before, if that can be.
    bool restore() {
        if (!may_repeat()) return false;
        if (copy) r = std::move(*copy);
        return stays || copy;
    }
};

awaitable<std::optional<response>> exchange_there(attempt_of* a) {
    std::optional<response> answer;
    if (const std::shared_ptr<pooled> on = a->begin())
        answer = co_await on->driver->exchange(&a->r);
    co_return answer;
}

/// A response's content, until it ends.
class timed_source final : public body::source {
  public:
    timed_source(http::body inner, extensions_link kept, const body_time& into,
                 clock::time_point began)
        : inner_(std::move(inner)), kept_(std::move(kept)), into_(into), began_(began) {}

    awaitable<std::optional<weft::bytes>> next() override {
        std::optional<weft::bytes> chunk = co_await inner_.next();
        if (!chunk && !std::exchange(over_, true)) {
            const auto executor = co_await asio::this_coro::executor;
            const auto took = context_info::of(executor).clock().now() - began_;
            into_.nanoseconds.store(
                std::chrono::duration_cast<std::chrono::nanoseconds>(took).count(),
                std::memory_order_release);
        }
        co_return chunk;
    }
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override {
        return inner_.size();
    }
    [[nodiscard]] headers* trailers() noexcept override { return inner_.trailers(); }
    [[nodiscard]] failure too_large(std::size_t limit) const override {
        return inner_.too_large(limit);
    }

  private:
    http::body inner_;
    extensions_link kept_;  // so that `into_` lives
    const body_time& into_;
    clock::time_point began_;
    bool over_ = false;
};

void time_body(response& r, clock::time_point head) {
    const body_time& into = r.extensions().emplace<body_time>();
    if (r.body().in_memory()) {
        into.nanoseconds.store(0, std::memory_order_release);
        return;
    }
    r.set_body(http::body(
        std::make_unique<timed_source>(std::move(r.body()), r.extensions().link(), into, head)));
}

bool is_cancelled(const asio::cancellation_state& state) noexcept {
    return state.cancelled() != asio::cancellation_type::none;
}

/// RFC 9112 9.3.1, RFC 9110 9.2.2: whether a request that found a kept connection at its end may be
/// sent again without asking anybody.
bool stale(const failure& f, const request& again) {
    if (f.kind() != failure_kind::unavailable) return false;
    return f.delivered() == delivery::not_sent ||
           (f.delivered() == delivery::unknown && f.detail<unanswered>() &&
            again.method().idempotent());
}

}  // namespace

pool_core::pool_core(connection_opener open, client_options options)
    : setup_(std::make_shared<pool_setup>(std::move(open), std::move(options))) {}

pool_core::~pool_core() {
    setup_->closed = true;
    each_shard([](pool_shard& s) { s.close(); });
    for (node* n = first_.load(std::memory_order_acquire); n;) delete std::exchange(n, n->next);
}

pool_shard& pool_core::shard_of(const asio::any_io_executor& executor) {
    asio::execution_context& context = asio::query(executor, asio::execution::context);
    for (const node* n = first_.load(std::memory_order_acquire); n; n = n->next)
        if (n->shard->context.load(std::memory_order_acquire) == &context) return *n->shard;
    return make_shard(context);
}

pool_shard& pool_core::make_shard(asio::execution_context& context) {
    const std::lock_guard lock(making_);
    node* unused = nullptr;
    for (node* n = first_.load(std::memory_order_acquire); n; n = n->next) {
        const auto* of = n->shard->context.load(std::memory_order_acquire);
        if (of == &context) return *n->shard;
        if (!of) unused = n;
    }
    if (!unused) {
        unused = new node{std::make_shared<pool_shard>(setup_), first_.load()};
        first_.store(unused, std::memory_order_release);
    }
    // First, so that it ends last: connections have limits in its wheel.
    unused->shard->info = &context_info::of(context);
    asio::use_service<shards_of_context>(context).add(unused->shard);
    unused->shard->context.store(&context, std::memory_order_release);
    return *unused->shard;
}

awaitable<response> pool_core::serve(request r) {
    const auto self = shared_from_this();
    destination to = destination_of(r);
    prepare(r, to, setup_->options.user_agent);
    const asio::any_io_executor home = co_await asio::this_coro::executor;
    const std::shared_ptr<pool_shard> shard = shard_of(home).shared_from_this();
    const clock& time = shard->info->clock();
    const pool_key key{to.secure, std::move(to.host), to.port,
                       connection_scoped_of(r.extensions())};
    std::optional<pool_shard::claim> claim;
    for (bool is_last = false;;) {
        if (setup_->closed.load(std::memory_order_relaxed))
            throw failure(failure_kind::rejected, "the client is closed")
                .in(failure_domain::local)
                .delivered(delivery::not_sent)
                .with("host", key.authority());
        std::exception_ptr thrown;
        attempt_of now{r, shard->try_take(key), {}, is_last, false, {}};
        if (!now.lease) {
            if (!claim) {
                claim.emplace().began = time.now();
                claim->until = claim->began + setup_->options.queue_timeout;
            }
            try {
                now.lease = co_await shard->acquire(&key, &r.extensions(), &*claim);
            } catch (...) {
                thrown = std::current_exception();
            }
            now.waited = time.now() - claim->began;
            if (thrown) {
                r.extensions().insert(phase{"connect", *now.waited});
                std::rethrow_exception(thrown);
            }
        }
        if (is_cancelled(co_await asio::this_coro::cancellation_state))
            throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                          "the request was cancelled")
                .delivered(delivery::not_sent);
        const clock::time_point sent = time.now();
        std::optional<response> answer;
        try {
            // Whether it is still good can be told on its own executor only.
            if (now.lease.executor() != home)
                answer = co_await run_on(now.lease.executor(), exchange_there(&now));
            else if (const std::shared_ptr<pooled> on = now.begin())
                answer = co_await on->driver->exchange(&r);
        } catch (...) {
            thrown = std::current_exception();
        }
        if (answer) {
            const clock::time_point head = time.now();
            answer->extensions().insert(phase{"wait", head - sent});
            time_body(*answer, head);
            co_return std::move(*answer);
        }
        if (!thrown) continue;
        if (is_cancelled(co_await asio::this_coro::cancellation_state) || !now.restore() ||
            !stale(failure::from(thrown), r))
            std::rethrow_exception(thrown);
        if (setup_->listens) resends.add(setup_->told);
        shard->drop_idle(key);
        claim.reset();
        is_last = true;
    }
}

awaitable<void> pool_core::close() {
    const auto self = shared_from_this();
    setup_->closed = true;
    each_shard([](pool_shard& s) { s.close(); });
    std::exception_ptr thrown;
    try {
        co_await with_deadline(setup_->options.close_timeout, setup_->connections.empty());
    } catch (...) {
        thrown = std::current_exception();
    }
    if (thrown) {
        each_shard([](pool_shard& s) { s.cut(); });
        if (failure::from(thrown).kind() != failure_kind::timeout) std::rethrow_exception(thrown);
        co_await setup_->connections.empty();
    }
    // A body that somebody still holds keeps what is left of its connection, and nothing else.
    const auto settled = co_await attempt(with_deadline(settling, setup_->objects.empty()));
    if (!settled && settled.error().kind() != failure_kind::timeout) throw failure(settled.error());
}

pool_statistics pool_core::statistics() const {
    pool_statistics sum;
    each_shard([&](pool_shard& s) { s.add_to(sum); });
    return sum;
}

}  // namespace detail

pool::pool(connection_opener open, client_options options)
    : core_(std::make_shared<detail::pool_core>(std::move(open), std::move(options))) {}

awaitable<response> pool::serve(request r) const { return core_->serve(std::move(r)); }
awaitable<void> pool::close() const { return core_->close(); }
pool_statistics pool::statistics() const { return core_->statistics(); }

}  // namespace weft::http
