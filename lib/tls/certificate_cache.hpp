// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/clock.hpp>
#include <weft/tls/certificate.hpp>
#include <weft/tls/client_hello.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::tls::detail {

/// What a certificate service has answered, for a while; the answer used longest ago goes first, so
/// that a client that makes up names cannot fill the memory. That a name is not the service's is an
/// answer too, and takes no place of the others. Safe to use from several threads.
class certificate_cache {
  public:
    certificate_cache(std::size_t limit, std::chrono::seconds max_age)
        : limit_(limit), max_age_(max_age) {}

    /// All that an answer may depend on: different hellos have different keys, but for the values
    /// that clients make up so that servers ignore them (GREASE, RFC 8701). Empty: not to be kept.
    static std::string key(const client_hello& hello) {
        std::string text;
        const auto number = [&](std::size_t n) {
            text += static_cast<char>(n >> 8 & 255);
            text += static_cast<char>(n & 255);
        };
        const auto name = [&](const std::string& s) {
            number(s.size());
            text += s;
        };
        const auto numbers = [&](const std::vector<std::uint16_t>& list) {
            const auto real = [](std::uint16_t n) {
                return (n & 0x0f0f) != 0x0a0a || n >> 8 != (n & 255);
            };
            number(static_cast<std::size_t>(std::ranges::count_if(list, real)));
            for (const std::uint16_t n : list)
                if (real(n)) number(n);
        };
        if (hello.alpn.size() + hello.versions.size() + hello.cipher_suites.size() > max_key)
            return {};
        name(hello.server_name);
        number(hello.alpn.size());
        for (const std::string& p : hello.alpn) name(p);
        numbers(hello.versions);
        numbers(hello.cipher_suites);
        if (text.size() > max_key) text.clear();
        return text;
    }

    std::optional<identity> get(const std::string& key, clock::time_point now) {
        const std::lock_guard lock(mutex_);
        const auto found = by_key_.find(key);
        if (found == by_key_.end()) return std::nullopt;
        const auto at = found->second;
        entries& order = kept(*at);
        if (now >= at->until) {
            order.erase(at);
            by_key_.erase(found);
            return std::nullopt;
        }
        order.splice(order.begin(), order, at);
        return at->id;
    }

    void put(const std::string& key, identity id, clock::time_point now) {
        if (limit_ == 0 || key.empty()) return;
        const std::lock_guard lock(mutex_);
        if (const auto found = by_key_.find(key); found != by_key_.end()) {
            kept(*found->second).erase(found->second);
            by_key_.erase(found);
        }
        entry fresh{key, std::move(id), now + max_age_};
        entries& order = kept(fresh);
        order.push_front(std::move(fresh));
        by_key_.emplace(key, order.begin());
        if (order.size() > limit_) {
            by_key_.erase(order.back().key);
            order.pop_back();
        }
    }

  private:
    /// What a client may make us hold for an answer is little; keys of real ones have 100 bytes.
    static constexpr std::size_t max_key = 512;

    struct entry {
        std::string key;
        identity id;
        clock::time_point until;
    };
    using entries = std::list<entry>;

    /// The list that an answer is in: names that are not ours push out such names only.
    entries& kept(const entry& e) noexcept { return e.id ? ours_ : others_; }

    const std::size_t limit_;
    const std::chrono::seconds max_age_;
    std::mutex mutex_;
    entries ours_;  // the one used last first
    entries others_;
    std::unordered_map<std::string, entries::iterator> by_key_;
};

}  // namespace weft::tls::detail
