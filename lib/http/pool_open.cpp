// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "pool_shard.hpp"
#include <weft/runtime/clock.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <mutex>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

/// Opens by itself, not in the coroutine of a request: that one may be cancelled, and others wait
/// for the same connection.
awaitable<pooled_connection> open_one(std::shared_ptr<pool_opening> o) {
    o->begun = true;
    if (o->stopped) throw boost::system::system_error(asio::error::operation_aborted);
    const clock& time = o->shard->info->clock();
    const clock::time_point began = time.now();
    pooled_connection made = co_await o->shard->setup().open.serve(std::move(o->wanted));
    o->took = time.now() - began;
    // Asio's own last step awaits once more, and must not lose what is there because of a
    // cancellation that came late.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_return made;
}

failure about(failure cause, const pool_host& h) {
    if (cause.kind() == failure_kind::cancelled)
        return failure(std::move(cause)).delivered(delivery::not_sent);
    return failure(cause.kind(), cause.code(), "cannot connect to " + h.authority)
        .in(cause.domain())
        .delivered(delivery::not_sent)
        .because(cause);
}

}  // namespace

failure pool_shard::closed_failure() const {
    return failure(failure_kind::rejected, "the client is closed")
        .in(failure_domain::local)
        .delivered(delivery::not_sent);
}

void pool_shard::launch(const std::shared_ptr<pool_opening>& o) {
    asio::co_spawn(o->lane, open_one(o),
                   asio::bind_cancellation_slot(
                       o->signal.slot(), [o](std::exception_ptr e, pooled_connection made) {
                           o->begun = false;
                           o->shard->opened(o, std::move(e), std::move(made));
                       }));
}

void pool_shard::opening_is_over(const pool_opening& o) noexcept {
    if (o.host->connecting == 0) return;  // the context has ended meanwhile
    --o.host->connecting;
    --connecting_;
    std::erase_if(openings_, [&](const auto& weak) {
        const auto other = weak.lock();
        return !other || other.get() == &o;
    });
}

void pool_shard::opened(const std::shared_ptr<pool_opening>& by, std::exception_ptr thrown,
                        pooled_connection made) {
    if (!thrown && made) {
        const asio::any_io_executor executor = made->get_executor();
        asio::dispatch(executor, [self = shared_from_this(), by, made = std::move(made)]() mutable {
            self->admit(by, std::move(made));
        });
        return;
    }
    not_opened(by, failure::from(std::move(thrown)));
}

void pool_shard::not_opened(const std::shared_ptr<pool_opening>& by, const failure& why) {
    deeds d;
    {
        const std::lock_guard lock(monitor);
        opening_is_over(*by);
        const failure f = setup_->closed ? closed_failure() : about(why, *by->host);
        // Nobody is left who could serve them.
        if (by->host->connections.empty() && by->host->connecting == 0)
            fail_all(*by->host, f, d);
        else
            fail_first(*by->host, f, d);
        use_room(d);
        // While nothing is known to work there, those that are being opened already are enough.
        if (!by->host->connections.empty()) open_more(by->host, d);
        forget_if_unused(by->host);
    }
    by->pass.reset();
    do_all(d);
}

/// On the connection's executor.
void pool_shard::admit(const std::shared_ptr<pool_opening>& by, pooled_connection made) {
    if (!made->is_ready()) {
        made->close();
        return not_opened(by, failure(failure_kind::unavailable, asio::error::connection_aborted,
                                      "the server closed the connection at once")
                                  .in(failure_domain::transport));
    }
    auto c = std::make_shared<pooled>(shared_from_this(), std::move(made));
    c->opened_by = by;
    c->pass = std::move(by->pass);
    // It lives as long as the connection does, and is let go with it.
    auto exists = std::make_shared<pool_pass>(setup_, setup_->objects);
    c->driver->on_change = [weak = std::weak_ptr(c),
                            exists = std::move(exists)](client_connection& of) {
        if (const auto alive = weak.lock())
            alive->changed();
        else if (of.exchanges() == 0)
            of.close();
    };
    bool refused = false;
    {
        const std::lock_guard lock(monitor);
        pool_host& h = *by->host;
        opening_is_over(*by);
        refused = setup_->closed || !context.load(std::memory_order_acquire);
        if (!refused) {
            h.version = c->driver->version() == version::http_2 ? pool_host::speaks::many_at_once
                                                                : pool_host::speaks::one_at_a_time;
            c->host = by->host;
            h.connections.push_back(c);
            ++open_;
        }
        forget_if_unused(by->host);
    }
    if (refused) {
        c->driver->close();
        c->pass.reset();
        return;
    }
    connections_changed(1);
    if (setup_->options.max_connection_age.count() > 0)
        c->age.emplace(*c).arm_after(setup_->options.max_connection_age);
    update(c);
}

// The end -----------------------------------------------------------------------------------------

void pool_shard::close() {
    deeds d;
    std::vector<std::shared_ptr<pooled>> draining;
    {
        const std::lock_guard lock(monitor);
        const auto hosts = hosts_;
        for (const auto& [key, h] : hosts) {
            fail_all(*h, closed_failure(), d);
            const auto all = h->connections;
            for (const auto& c : all) {
                if (c->idle) {
                    remove(c, d);
                    continue;
                }
                c->retired = true;
                not_ready(*c);
                draining.push_back(c);
            }
            forget_if_unused(h);
        }
        without_room_.clear();
        if (context.load(std::memory_order_acquire))
            for (const auto& weak : std::exchange(openings_, {}))
                if (auto o = weak.lock()) asio::post(o->lane, [o] { o->stop(); });
    }
    for (auto& c : draining) pooled::drain_later(std::move(c));
    do_all(d);
}

void pool_shard::cut() {
    deeds d;
    {
        const std::lock_guard lock(monitor);
        const auto hosts = hosts_;
        for (const auto& [key, h] : hosts) {
            const auto all = h->connections;
            for (const auto& c : all) remove(c, d);
            forget_if_unused(h);
        }
    }
    do_all(d);
}

void pool_shard::abandon() noexcept {
    std::vector<std::shared_ptr<pooled>> all;
    {
        const std::lock_guard lock(monitor);
        context.store(nullptr, std::memory_order_release);
        for (const auto& [key, h] : hosts_) {
            for (const auto& c : h->connections) {
                c->host = nullptr;
                c->pass.reset();
                all.push_back(c);
            }
            h->connections.clear();
            h->ready.clear();
            h->idle = h->connecting = 0;
            h->wants_room = false;
        }
        // A queue is kept until the coroutines in it are gone.
        std::erase_if(hosts_, [](const auto& h) { return h.second->users == 0; });
        without_room_.clear();
        openings_.clear();
        open_ = connecting_ = idle_ = 0;
    }
    for (const auto& c : all) {
        c->age.reset();
        c->driver->on_change = nullptr;
    }
}

}  // namespace weft::http::detail
