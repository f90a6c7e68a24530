// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "pool_shard.hpp"

#include <weft/core/observe.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;
using weft::detail::waiter;

namespace {

constexpr up_down_counter connections{"weft.http.client.connections", "{connection}",
                                      "Connections that a client has open."};

template <class T, class U>
void erase_pointer(std::vector<T>& from, const U* what) {
    const auto at = std::find_if(from.begin(), from.end(),
                                 [&](const T& p) { return std::to_address(p) == what; });
    if (at != from.end()) from.erase(at);
}

}  // namespace

pool_setup::pool_setup(connection_opener o, client_options c)
    : open(std::move(o)), options(std::move(c)), listens(static_cast<bool>(options.observe)) {
    if (listens) told.insert(options.observe);
}

std::size_t pool_key_hash::operator()(const pool_key& k) const noexcept {
    std::size_t h = std::hash<std::string_view>()(k.host);
    h = (h ^ k.port) * 0x9e3779b97f4a7c15ull;
    h = (h ^ k.secure) * 0x9e3779b97f4a7c15ull;
    return h ^ k.scope.hash();
}

// One connection ----------------------------------------------------------------------------------

pooled::pooled(std::shared_ptr<pool_shard> s, pooled_connection d)
    : shard(std::move(s)), driver(std::move(d)), executor(driver->get_executor()) {}

void pooled::changed() { shard->update(shared_from_this()); }

void pooled::drain_later(std::shared_ptr<pooled> c) {
    const asio::any_io_executor on = c->executor;
    asio::post(on, [c = std::move(c)] {
        c->age.reset();
        c->driver->drain();
    });
}

void pooled::close_later(std::shared_ptr<pooled> c) {
    const asio::any_io_executor on = c->executor;
    asio::post(on, [c = std::move(c)] {
        c->age.reset();
        c->driver->close();
    });
}

pooled::age_limit::age_limit(pooled& c)
    : entry(c.executor,
            [](entry& e) noexcept {
                // The entry lives in the connection, and may end in here.
                const auto keep = static_cast<age_limit&>(e).of.shared_from_this();
                keep->shard->retire(keep);
            }),
      of(c) {}

pool_lease::~pool_lease() {
    if (!connection_) return;
    pool_shard& shard = *connection_->shard;
    shard.give_back(std::move(connection_));
}

std::shared_ptr<pooled> pool_lease::begin() {
    if (!connection_->shard->begin(connection_, reused_, opened_by_)) return nullptr;
    return std::move(connection_);
}

void pool_opening::stop() {
    if (std::exchange(stopped, true) || !begun) return;
    signal.emit(asio::cancellation_type::terminal);
}

// What is free ------------------------------------------------------------------------------------

pool_shard::pool_shard(std::shared_ptr<pool_setup> setup) : setup_(std::move(setup)) {}

std::shared_ptr<pool_host> pool_shard::host_of(const pool_key& key) {
    if (const auto found = hosts_.find(key); found != hosts_.end()) return found->second;
    auto made = std::make_shared<pool_host>(key);
    const protocol wish = setup_->options.protocol;
    if (wish == protocol::http_1_1 || (wish == protocol::automatic && !key.secure))
        made->version = pool_host::speaks::one_at_a_time;
    hosts_.emplace(key, made);
    return made;
}

void pool_shard::forget_if_unused(const std::shared_ptr<pool_host>& h) {
    if (!h->connections.empty() || h->connecting > 0 || h->users > 0) return;
    const auto found = hosts_.find(h->key);
    if (found != hosts_.end() && found->second == h) hosts_.erase(found);
}

void pool_shard::not_ready(pooled& c) noexcept {
    c.free = 0;
    if (c.host) erase_pointer(c.host->ready, &c);
}

void pool_shard::no_longer_idle(pooled& c) noexcept {
    if (!std::exchange(c.idle, false)) return;
    --idle_;
    --c.host->idle;
}

std::shared_ptr<pooled> pool_shard::take(pool_host& h) {
    if (h.ready.empty()) return nullptr;
    pooled& c = *h.ready.back();
    ++c.promised;
    if (--c.free == 0) h.ready.pop_back();
    no_longer_idle(c);
    return c.shared_from_this();
}

pool_lease pool_shard::try_take(const pool_key& key) {
    const std::lock_guard lock(monitor);
    const auto found = hosts_.find(key);
    if (found == hosts_.end() || !found->second->waiting.empty()) return {};
    return pool_lease(take(*found->second));
}

bool pool_shard::begin(const std::shared_ptr<pooled>& c, bool& reused,
                       std::shared_ptr<const pool_opening>& opened_by) {
    // Asks the stream: an end that has come meanwhile is seen here, not once the request is sent.
    const bool good = c->driver->is_ready();
    const std::lock_guard lock(monitor);
    if (!good) {
        not_ready(*c);  // until it has been looked at
        return false;
    }
    if (c->promised > 0) --c->promised;
    reused = c->uses++ > 0;
    opened_by = std::move(c->opened_by);
    if (const std::size_t most = setup_->options.max_connection_uses; most != 0 && c->uses >= most)
        c->retired = true;
    return true;
}

void pool_shard::give_back(std::shared_ptr<pooled> c) noexcept {
    {
        const std::lock_guard lock(monitor);
        if (c->promised > 0) --c->promised;
    }
    if (!context.load(std::memory_order_acquire)) return;
    const asio::any_io_executor on = c->executor;
    asio::post(on, [c = std::move(c)] { c->changed(); });
}

void pool_shard::become_idle(const std::shared_ptr<pooled>& c, deeds& d) {
    if (c->idle) return;
    pool_host& h = *c->host;
    // Room for a host that has none, or one more than is to be kept.
    if (h.idle >= setup_->options.max_idle_per_host || room_is_wanted()) {
        remove(c, d);
        return;
    }
    c->idle = true;
    c->idle_since = ++order_;
    ++h.idle;
    ++idle_;
    d.idle = c;
}

void pool_shard::update(const std::shared_ptr<pooled>& c) {
    client_connection& driver = *c->driver;
    const std::size_t available = driver.available();
    const std::size_t busy = driver.exchanges();
    const bool usable = driver.usable();
    const std::size_t most = setup_->options.max_connection_uses;
    deeds d;
    {
        const std::lock_guard lock(monitor);
        if (!c->host) return;
        const std::shared_ptr<pool_host> h = c->host;
        if (!usable) c->retired = true;
        std::size_t free = c->retired ? 0 : available;
        if (most != 0) free = std::min(free, most - std::min(most, c->uses));
        free -= std::min(free, c->promised);
        const bool unused = busy == 0 && c->promised == 0;
        if (unused && c->retired) {
            remove(c, d);
        } else {
            if (free > 0 && c->free == 0) h->ready.push_back(c.get());
            if (free == 0 && c->free > 0) not_ready(*c);
            c->free = free;
            if (!unused) no_longer_idle(*c);
            if (unused && must_yield(*h))
                remove(c, d);
            else
                serve_queue(*h, d);
            if (c->host && unused && c->promised == 0 && c->free > 0) become_idle(c, d);
        }
        use_room(d);  // before this host takes it
        open_more(h, d);
        forget_if_unused(h);
    }
    do_all(d);
}

void pool_shard::retire(const std::shared_ptr<pooled>& c) {
    bool promised = false;
    {
        const std::lock_guard lock(monitor);
        if (!c->host) return;
        c->retired = true;
        not_ready(*c);
        promised = c->promised > 0;
    }
    // Who holds a promise may still begin; the connection ends when that exchange does.
    if (!promised) c->driver->drain();
    update(c);
}

void pool_shard::remove(const std::shared_ptr<pooled>& c, deeds& d) {
    no_longer_idle(*c);
    not_ready(*c);
    erase_pointer(c->host->connections, c.get());
    c->host = nullptr;
    c->pass.reset();
    --open_;
    d.close.push_back(c);
}

void pool_shard::drop_idle(const pool_key& key) {
    deeds d;
    {
        const std::lock_guard lock(monitor);
        const auto found = hosts_.find(key);
        if (found == hosts_.end()) return;
        const std::shared_ptr<pool_host> h = found->second;
        const std::vector<std::shared_ptr<pooled>> all = h->connections;
        for (const auto& c : all)
            if (c->idle) remove(c, d);
        use_room(d);
        forget_if_unused(h);
    }
    do_all(d);
}

// Whose turn it is: pool_queue.cpp. What is opened: pool_open.cpp ---------------------------------

void pool_shard::do_all(deeds& d) {
    d.ready.resume_all();
    for (auto& c : d.close) {
        connections_changed(-1);
        pooled::close_later(std::move(c));
    }
    for (auto& o : d.open) launch(o);
    if (d.idle) d.idle->driver->start_idling();
}

void pool_shard::connections_changed(int by) const {
    if (setup_->listens) connections.add(setup_->told, by);
}

void pool_shard::add_to(pool_statistics& sum) const {
    const std::lock_guard lock(monitor);
    sum.open += open_;
    sum.idle += idle_;
    sum.in_use += open_ - idle_;
    sum.connecting += connecting_;
    sum.waiting += users_;
}

}  // namespace weft::http::detail
