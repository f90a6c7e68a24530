// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connect_times.hpp"
#include "pool_shard.hpp"
#include <weft/core/observe.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;
using weft::detail::wait_list;
using weft::detail::waiter;

namespace {
constexpr counter waits{"weft.http.client.waits", "{request}",
                        "Requests that found no free connection."};
}

/// A request in its host's queue, in the frame of its coroutine.
struct pool_shard::waiting_request final : waiter {
    waiting_request(std::shared_ptr<pool_host> h, pool_shard& s, asio::any_io_executor executor,
                    const weft::extensions* of_request, claim& its)
        : waiter(s, h->waiting.list(its.order != 0), executor, "http::pool",
                 std::source_location::current()),
          host(std::move(h)),
          of(s),
          home(std::move(executor)),
          request(of_request),
          place(its) {}

    void suspended(weft::detail::resume_handle handle, asio::cancellation_slot slot) {
        const auto shard = of.shared_from_this();
        const auto to = host;
        waiter::suspended(std::move(handle), slot);
        shard->wants(to);  // by now this may be over
    }
    bool attempt(wait_list&) noexcept override {
        if (place.order == 0) place.order = ++of.order_;
        if (host->waiting.empty() || place.order < first_in(*host).place.order)
            lease = pool_lease(of.take(*host));
        if (!lease) return false;
        result = outcome::granted;
        return true;
    }

    const std::shared_ptr<pool_host> host;
    pool_shard& of;
    const asio::any_io_executor home;
    const weft::extensions* const request;
    claim& place;
    pool_lease lease;
    std::optional<failure> failed;

    static waiting_request& first_in(const pool_host& h) noexcept {
        return static_cast<waiting_request&>(*h.waiting.first());
    }
};

/// Counts a request that waits, and keeps its host.
struct pool_shard::user {
    user(pool_shard& s, const pool_key& key) : of(s) {
        const std::lock_guard lock(of.monitor);
        if (of.users_ >= of.setup_->options.max_waiting)
            throw failure(failure_kind::exhausted, "too many requests wait for a connection")
                .in(failure_domain::local)
                .delivered(delivery::not_sent)
                .with("host", key.authority())
                .with("limit", static_cast<long long>(of.setup_->options.max_waiting));
        host = of.host_of(key);
        ++host->users;
        ++of.users_;
    }
    user(const user&) = delete;
    user& operator=(const user&) = delete;
    ~user() {
        const std::lock_guard lock(of.monitor);
        --host->users;
        --of.users_;
        of.forget_if_unused(host);
    }
    pool_shard& of;
    std::shared_ptr<pool_host> host;
};

struct pool_shard::answer {
    pool_lease lease;
    std::optional<failure> failed;
};

awaitable<pool_shard::answer> pool_shard::wait(std::shared_ptr<pool_host> host,
                                               const weft::extensions* request, claim* of) {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    waiting_request w(std::move(host), *this, std::move(executor), request, *of);
    weft::detail::suspend_into<waiting_request> op{&w};
    co_await std::move(op);
    w.check();
    answer got;
    got.lease = std::move(w.lease);
    got.failed = std::move(w.failed);
    co_return got;
}

awaitable<pool_lease> pool_shard::acquire(const pool_key* key, const weft::extensions* request,
                                          claim* of) {
    const auto self = shared_from_this();
    if (setup_->listens) waits.add(setup_->told);
    const user me(*this, *key);
    std::exception_ptr thrown;
    answer got;
    try {
        got = co_await with_deadline(of->until, wait(me.host, request, of));
    } catch (...) {
        thrown = std::current_exception();
    }
    if (thrown) {
        const failure cause = failure::from(std::move(thrown));
        if (cause.kind() == failure_kind::timeout)
            throw failure(failure_kind::timeout, "no connection was free in time")
                .in(failure_domain::local)
                .delivered(delivery::not_sent)
                .with("host", me.host->authority)
                .with("limit_ms", setup_->options.queue_timeout.count());
        throw failure(cause).delivered(delivery::not_sent);
    }
    if (got.failed) throw failure(*got.failed);
    co_return std::move(got.lease);
}

// Under the lock ----------------------------------------------------------------------------------

void pool_shard::serve_queue(pool_host& h, deeds& d) {
    while (!h.waiting.empty()) {
        std::shared_ptr<pooled> c = take(h);
        if (!c) return;
        waiting_request::first_in(h).lease = pool_lease(std::move(c));
        h.waiting.finish_first(waiter::outcome::granted, d.ready);
    }
}

void pool_shard::fail_all(pool_host& h, const failure& f, deeds& d) {
    while (!h.waiting.empty()) fail_first(h, f, d);
}

void pool_shard::fail_first(pool_host& h, const failure& f, deeds& d) {
    if (h.waiting.empty()) return;
    waiting_request::first_in(h).failed = f;
    h.waiting.finish_first(waiter::outcome::granted, d.ready);
}

/// Whether a connection that is free now goes to a host that has none and has waited longer.
bool pool_shard::must_yield(const pool_host& h) const noexcept {
    if (h.waiting.empty()) return false;
    const std::uint64_t own = waiting_request::first_in(h).place.order;
    return std::any_of(without_room_.begin(), without_room_.end(), [&](const auto& other) {
        return other.get() != &h && other->connections.empty() && other->connecting == 0 &&
               !other->waiting.empty() && waiting_request::first_in(*other).place.order < own;
    });
}

/// Whether somebody waits who found the limit of all connections reached: not those who have gone.
bool pool_shard::room_is_wanted() const noexcept {
    return std::any_of(without_room_.begin(), without_room_.end(),
                       [](const auto& h) { return !h->waiting.empty(); });
}

/// Opens what the queue of `h` needs and the limits allow.
void pool_shard::open_more(const std::shared_ptr<pool_host>& h, deeds& d) {
    const client_options& limits = setup_->options;
    while (!h->waiting.empty() && context.load(std::memory_order_acquire) && !setup_->closed) {
        if (h->version == pool_host::speaks::one_at_a_time) {
            if (h->connecting >= h->waiting.size() ||
                h->connections.size() + h->connecting >= limits.max_connections_per_host)
                return;
        } else {
            const auto active =
                static_cast<std::size_t>(std::count_if(h->connections.begin(), h->connections.end(),
                                                       [](const auto& c) { return !c->retired; }));
            if (h->connecting > 0 || active >= limits.max_shared_per_host) return;
        }
        if (open_ + connecting_ >= limits.max_connections && !make_room(*h, d)) {
            if (!std::exchange(h->wants_room, true)) without_room_.push_back(h);
            return;
        }
        start_opening(h, d);
    }
}

/// Closes the connection that has been idle for longest.
bool pool_shard::make_room(const pool_host& h, deeds& d) {
    if (idle_ == 0) return false;
    std::shared_ptr<pooled> oldest;
    for (const auto& [key, host] : hosts_) {
        if (host->idle == 0 || host.get() == &h) continue;
        for (const auto& c : host->connections)
            if (c->idle && (!oldest || c->idle_since < oldest->idle_since)) oldest = c;
    }
    if (!oldest) return false;
    const std::shared_ptr<pool_host> from = oldest->host;
    remove(oldest, d);
    forget_if_unused(from);
    return true;
}

/// There may be room again: for hosts that have no connection first.
void pool_shard::use_room(deeds& d) {
    while (!without_room_.empty() && open_ + connecting_ < setup_->options.max_connections) {
        auto next = std::find_if(without_room_.begin(), without_room_.end(), [](const auto& h) {
            return h->connections.empty() && h->connecting == 0 && !h->waiting.empty();
        });
        if (next == without_room_.end()) next = without_room_.begin();
        const std::shared_ptr<pool_host> h = *next;
        without_room_.erase(next);
        h->wants_room = false;
        open_more(h, d);
    }
}

void pool_shard::start_opening(const std::shared_ptr<pool_host>& h, deeds& d) {
    const auto& first = waiting_request::first_in(*h);
    auto o = std::make_shared<pool_opening>();
    o->shard = shared_from_this();
    o->host = h;
    o->lane = serialized(first.home);
    o->wanted = net::connect_request(h->key.host, h->key.port);
    o->wanted.scheme = h->key.secure ? "https" : "http";
    weft::extensions facts(info->deadlines().ticks());
    h->key.scope.apply(facts);
    if (first.request)
        if (const observer* listens = observer_of(*first.request)) facts.insert(*listens);
    facts.emplace<connect_times>();
    o->facts = facts.link();
    o->wanted.set_extensions(std::move(facts));
    o->pass = pool_pass(setup_, setup_->connections);
    openings_.push_back(o);
    ++h->connecting;
    ++connecting_;
    d.open.push_back(std::move(o));
}

// -------------------------------------------------------------------------------------------------

void pool_shard::wants(const std::shared_ptr<pool_host>& host) {
    deeds d;
    {
        const std::lock_guard lock(monitor);
        if (setup_->closed)
            fail_all(*host, closed_failure(), d);
        else
            open_more(host, d);
    }
    do_all(d);
}

}  // namespace weft::http::detail
