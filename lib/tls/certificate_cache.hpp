// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/clock.hpp>
#include <weft/tls/certificate.hpp>
#include <weft/tls/client_hello.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace weft::tls::detail {

/// What a certificate service has answered, for a while; the answer used longest ago goes first, so
/// that a client that makes up names cannot fill the memory. Safe to use from several threads.
class certificate_cache {
  public:
    certificate_cache(std::size_t limit, std::chrono::seconds max_age)
        : limit_(limit), max_age_(max_age) {}

    /// All that an answer may depend on, for the clients of one kind.
    static std::string key(const client_hello& hello) {
        std::string text = hello.server_name;
        for (const std::string& p : hello.alpn) (text += '\0') += p;
        return text;
    }

    std::optional<identity> get(const std::string& key, clock::time_point now) {
        const std::lock_guard lock(mutex_);
        const auto found = by_key_.find(key);
        if (found == by_key_.end()) return std::nullopt;
        const auto at = found->second;
        if (now >= at->until) {
            order_.erase(at);
            by_key_.erase(found);
            return std::nullopt;
        }
        order_.splice(order_.begin(), order_, at);
        return at->id;
    }

    void put(const std::string& key, identity id, clock::time_point now) {
        if (limit_ == 0) return;
        const std::lock_guard lock(mutex_);
        if (const auto found = by_key_.find(key); found != by_key_.end()) {
            order_.erase(found->second);
            by_key_.erase(found);
        }
        order_.push_front(entry{key, std::move(id), now + max_age_});
        by_key_.emplace(key, order_.begin());
        if (order_.size() > limit_) {
            by_key_.erase(order_.back().key);
            order_.pop_back();
        }
    }

  private:
    struct entry {
        std::string key;
        identity id;
        clock::time_point until;
    };

    const std::size_t limit_;
    const std::chrono::seconds max_age_;
    std::mutex mutex_;
    std::list<entry> order_;  // the one used last first
    std::unordered_map<std::string, std::list<entry>::iterator> by_key_;
};

}  // namespace weft::tls::detail
