// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_server.hpp"
#include "h2_server.hpp"
#include "negotiated.hpp"
#include <weft/http/server.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::http {

struct server::state {
    state(any_app a, server_options o) : app(std::move(a)), options(std::move(o)) {}

    const any_app app;
    const server_options options;

    struct entry {
        detail::server_connection* connection;  // alive for as long as it is listed
        std::weak_ptr<detail::server_connection> owner;
        std::uint64_t told = 0;  // when close_idle did, in milliseconds of its clock
    };

    // Taken once when a connection comes and once when it goes, never on the way of a request.
    mutable std::mutex mutex;
    std::unordered_map<std::uint64_t, entry> connections;
    std::uint64_t next = 0;
    bool draining = false;

    template <class Connection>
    std::uint64_t enter(const std::shared_ptr<Connection>& connection) {
        const std::lock_guard lock(mutex);
        connections.emplace(next, entry{connection.get(), connection});
        if (draining) connection->answer_once();
        return next++;
    }
    void leave(std::uint64_t id) {
        const std::lock_guard lock(mutex);
        connections.erase(id);
    }
};

namespace {

/// How long a connection that was told to go counts as one that will soon be gone: a good-bye takes
/// two seconds at most, and who has asked for something meanwhile may stay for as long as it likes.
constexpr std::uint64_t way_out = 5000;

}  // namespace

namespace detail {
namespace {

/// Whether a connection speaks HTTP/2 without a preface having been looked for: ALPN said so, or
/// there is nothing else.
bool begins_with_http_2(const server_options& options, const io::stream& connection) {
    if (!options.speak_http2) return false;
    return !options.speak_http1 || negotiated_protocol(connection.extensions()) == "h2";
}

}  // namespace
}  // namespace detail

server::server(any_app app, server_options options, int)
    : state_(std::make_shared<state>(std::move(app), std::move(options))) {}

/// Lists a connection for as long as it is served.
class server::listed {
  public:
    template <class Connection>
    listed(std::shared_ptr<server::state> s, const std::shared_ptr<Connection>& c)
        : state_(std::move(s)), id_(state_->enter(c)) {}
    listed(const listed&) = delete;
    listed& operator=(const listed&) = delete;
    ~listed() { state_->leave(id_); }

  private:
    std::shared_ptr<server::state> state_;
    std::uint64_t id_;
};

awaitable<void> server::serve(io::stream connection) const {
    auto state = state_;
    const std::shared_ptr<const server_options> options(state, &state->options);
    if (options->observe) connection.extensions().insert(options->observe);
    weft::bytes ahead;
    if (!detail::begins_with_http_2(*options, connection)) {
        auto h1 = std::make_shared<detail::h1_server_connection>(std::move(connection), state->app,
                                                                 options);
        const listed entry(state, h1);
        co_await h1->serve();
        auto other = h1->take_http_2();
        if (!other) co_return;
        connection = std::move(other->stream);
        ahead = std::move(other->ahead);
    }
    auto h2 = std::make_shared<detail::h2_server_connection>(std::move(connection),
                                                             std::move(ahead), state->app, options);
    const listed entry(state, h2);
    co_await h2->serve();
}

void server::drain() const {
    std::vector<std::shared_ptr<detail::server_connection>> alive;
    {
        const std::lock_guard lock(state_->mutex);
        state_->draining = true;
        alive.reserve(state_->connections.size());
        for (auto& [id, entry] : state_->connections) alive.push_back(entry.owner.lock());
    }
    for (auto& connection : alive) {
        auto& c = *connection;
        c.drain(std::move(connection));
    }
}

std::size_t server::close_idle(std::size_t most) const {
    struct idle {
        std::uint64_t since;
        state::entry* entry;
    };
    constexpr auto longer = [](const idle& a, const idle& b) { return a.since < b.since; };
    std::vector<std::shared_ptr<detail::server_connection>> chosen;
    {
        const std::lock_guard lock(state_->mutex);
        const clock* read = nullptr;
        std::uint64_t ms = 0;
        const auto now_of = [&](const state::entry& e) {
            const clock& time = e.connection->time();
            if (std::exchange(read, &time) != &time)
                ms = static_cast<std::uint64_t>(
                    std::chrono::duration_cast<std::chrono::milliseconds>(
                        time.now().time_since_epoch())
                        .count());
            return ms;
        };
        const auto on_its_way_out = [&](const state::entry& e) {
            return e.told != 0 && now_of(e) < e.told + way_out;
        };
        for (auto& [id, entry] : state_->connections)
            if (most > 0 && on_its_way_out(entry)) --most;
        std::vector<idle> found;  // a heap of the `most` that have waited longest
        found.reserve(std::min(most, state_->connections.size()));
        for (auto& [id, entry] : state_->connections) {
            if (most == 0 || on_its_way_out(entry)) continue;
            const std::uint64_t since = entry.connection->idle_since();
            if (since == 0 || now_of(entry) < since + detail::first_word.count()) continue;
            if (found.size() == most) {
                if (since >= found.front().since) continue;
                std::ranges::pop_heap(found, longer);
                found.pop_back();
            }
            found.push_back({since, &entry});
            std::ranges::push_heap(found, longer);
        }
        chosen.reserve(found.size());
        for (auto& one : found) {
            chosen.push_back(one.entry->owner.lock());
            one.entry->told = now_of(*one.entry);
        }
    }
    for (auto& connection : chosen) {
        auto& c = *connection;
        c.drain(std::move(connection));
    }
    return chosen.size();
}

std::size_t server::connections() const noexcept {
    const std::lock_guard lock(state_->mutex);
    return state_->connections.size();
}

status status_of(const failure& f) noexcept {
    if (const auto* answer = f.detail<answer_with>()) return answer->status;
    switch (f.kind()) {
        case failure_kind::invalid_input:
            return status::bad_request;
        case failure_kind::authentication:
            return status::unauthorized;
        case failure_kind::rejected:
        case failure_kind::exhausted:
        case failure_kind::unavailable:
            return status::service_unavailable;
        case failure_kind::timeout:
            return status::gateway_timeout;
        case failure_kind::protocol:
        case failure_kind::cancelled:
        case failure_kind::internal:
            break;
    }
    return status::internal_server_error;
}

}  // namespace weft::http
