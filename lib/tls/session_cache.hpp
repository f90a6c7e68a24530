// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "openssl.hpp"

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::tls::detail {

/// A client's sessions for resumption, by server; the server used longest ago goes first. A ticket
/// of TLS 1.3 is used once (RFC 8446, C.4), so a few of each server are kept. Safe to use from
/// several threads.
class session_cache {
  public:
    explicit session_cache(std::size_t servers) : limit_(servers) {}

    [[nodiscard]] bool enabled() const noexcept { return limit_ > 0; }

    void put(const std::string& server, owned_session session) {
        const std::lock_guard lock(mutex_);
        const auto at = touch(server);
        at->sessions.push_back(std::move(session));
        if (at->sessions.size() > per_server) at->sessions.erase(at->sessions.begin());
    }

    /// The newest for this server, or null.
    owned_session take(const std::string& server) {
        const std::lock_guard lock(mutex_);
        const auto found = by_name_.find(server);
        if (found == by_name_.end() || found->second->sessions.empty()) return nullptr;
        const auto at = touch(server);
        owned_session& newest = at->sessions.back();
        if (SSL_SESSION_get_protocol_version(newest.get()) < TLS1_3_VERSION) {
            SSL_SESSION_up_ref(newest.get());
            return owned_session(newest.get());
        }
        owned_session taken = std::move(newest);
        at->sessions.pop_back();
        return taken;
    }

  private:
    static constexpr std::size_t per_server = 4;
    struct entry {
        std::string server;
        std::vector<owned_session> sessions;  // oldest first
    };
    using entries = std::list<entry>;

    entries::iterator touch(const std::string& server) {
        const auto found = by_name_.find(server);
        if (found != by_name_.end()) {
            order_.splice(order_.begin(), order_, found->second);
            return order_.begin();
        }
        order_.push_front(entry{server, {}});
        by_name_.emplace(server, order_.begin());
        if (order_.size() > limit_) {
            by_name_.erase(order_.back().server);
            order_.pop_back();
        }
        return order_.begin();
    }

    const std::size_t limit_;
    std::mutex mutex_;
    entries order_;  // the one used last first
    std::unordered_map<std::string, entries::iterator> by_name_;
};

}  // namespace weft::tls::detail
