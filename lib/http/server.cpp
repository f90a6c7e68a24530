// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_server.hpp"
#include <weft/http/server.hpp>

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::http {

struct server::state {
    state(any_app a, server_options o) : app(std::move(a)), options(std::move(o)) {}

    const any_app app;
    const server_options options;

    // Taken once when a connection comes and once when it goes, never on the way of a request.
    mutable std::mutex mutex;
    std::unordered_map<std::uint64_t, std::weak_ptr<detail::h1_server_connection>> connections;
    std::uint64_t next = 0;
    bool draining = false;

    std::uint64_t enter(const std::shared_ptr<detail::h1_server_connection>& connection) {
        const std::lock_guard lock(mutex);
        connections.emplace(next, connection);
        if (draining) connection->answer_once();
        return next++;
    }
    void leave(std::uint64_t id) {
        const std::lock_guard lock(mutex);
        connections.erase(id);
    }
};

server::server(any_app app, server_options options, int)
    : state_(std::make_shared<state>(std::move(app), std::move(options))) {}

awaitable<void> server::serve(io::stream connection) const {
    auto state = state_;
    if (state->options.observe) connection.extensions().insert(state->options.observe);
    auto made = std::make_shared<detail::h1_server_connection>(
        std::move(connection), state->app,
        std::shared_ptr<const server_options>(state, &state->options));
    struct entry {
        entry(std::shared_ptr<server::state> s,
              const std::shared_ptr<detail::h1_server_connection>& c)
            : state(std::move(s)), id(state->enter(c)) {}
        entry(const entry&) = delete;
        entry& operator=(const entry&) = delete;
        ~entry() { state->leave(id); }
        std::shared_ptr<server::state> state;
        std::uint64_t id;
    } listed(state, made);
    co_await made->serve();
}

void server::drain() const {
    std::vector<std::shared_ptr<detail::h1_server_connection>> alive;
    {
        const std::lock_guard lock(state_->mutex);
        state_->draining = true;
        for (auto& [id, weak] : state_->connections)
            if (auto connection = weak.lock()) alive.push_back(std::move(connection));
    }
    for (auto& connection : alive) connection->drain();
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
