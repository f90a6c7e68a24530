// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "cache_core.hpp"

#include "names.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace weft::dns::detail {

using std::chrono::seconds;

namespace {

/// How long an outcome is good for; nothing when it is not to be kept.
std::optional<seconds> lifetime(const result<answer>& outcome, const cache_options& options) {
    if (outcome) {
        if (!outcome->ttl) return options.unknown_ttl;
        return std::max(std::min(*outcome->ttl, options.max_ttl), options.min_ttl);
    }
    const failure& f = outcome.error();
    if (is_missing(f)) return options.negative_ttl;
    switch (f.kind()) {
        case failure_kind::unavailable:
        case failure_kind::timeout:
        case failure_kind::rejected:
        case failure_kind::protocol:
            return options.failure_ttl;
        default:
            return std::nullopt;  // of this process, not of the name
    }
}

}  // namespace

cache_core::~cache_core() {
    for (const auto& [k, q] : questions_) q->stop.set();
}

cache_core::plan cache_core::look(const key& k, time_point now, std::uintptr_t context) {
    plan p;
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(k); found != entries_.end()) {
        entry& e = found->second;
        const bool fresh = now < e.fresh_until;
        if (fresh || now < e.stale_until) {
            used_.splice(used_.begin(), used_, e.used);
            ++stats_.hits;
            p.now = e.kept;
            if (*p.now) {
                answer& a = **p.now;
                a.from = fresh ? net::answer_source::cache : net::answer_source::stale_cache;
                a.ttl =
                    fresh ? std::chrono::duration_cast<seconds>(e.fresh_until - now) : seconds(0);
            }
            if (fresh) return p;
            ++stats_.stale;
            if (now >= e.ask_again && !questions_.contains(k)) {
                p.ask = begin(k, context);
                p.ask->background = true;
            }
            return p;
        }
        erase(found);
    }
    const auto running = questions_.find(k);
    if (running != questions_.end()) {
        ++stats_.shared;
        p.wait = running->second;
        if (p.wait->context != context && !p.wait->awaited_elsewhere)
            p.wait->awaited_elsewhere = now;
    } else {
        p.ask = p.wait = begin(k, context);
    }
    p.awaited_since = p.wait->awaited_elsewhere;
    ++p.wait->waiting;
    return p;
}

/// With the lock held.
std::shared_ptr<cache_core::question> cache_core::begin(const key& k, std::uintptr_t context) {
    auto q = std::make_shared<question>(k, context);
    questions_.emplace(k, q);
    ++stats_.misses;
    return q;
}

/// With the lock held.
void cache_core::unlist(question& q) {
    if (std::exchange(q.listed, false)) questions_.erase(q.about);
}

void cache_core::leave(const std::shared_ptr<question>& q) {
    {
        const std::lock_guard lock(mutex_);
        if (--q->waiting > 0 || q->over || (q->background && q->listed)) return;
        unlist(*q);
    }
    q->stop.set();
}

void cache_core::give_up(const std::shared_ptr<question>& q) {
    const std::lock_guard lock(mutex_);
    unlist(*q);
}

void cache_core::land(const std::shared_ptr<question>& q, std::optional<result<answer>> outcome,
                      time_point now) {
    {
        const std::lock_guard lock(mutex_);
        if (outcome && *outcome && (*outcome)->addresses.size() > most_addresses)
            (*outcome)->addresses.resize(most_addresses);
        if (outcome && q->listed) keep(q->about, *outcome, now);
        unlist(*q);
        q->over = true;
        q->outcome = std::move(outcome);
    }
    q->done.set();
}

/// With the lock held.
void cache_core::keep(const key& k, const result<answer>& outcome, time_point now) {
    const auto ttl = lifetime(outcome, options);
    const auto old = entries_.find(k);
    if (old != entries_.end() && !outcome && !is_missing(outcome.error()) && old->second.kept &&
        now < old->second.stale_until) {
        old->second.ask_again = now + options.failure_ttl;
        return;
    }
    if (old != entries_.end()) erase(old);
    if (!ttl || *ttl <= seconds(0) || options.max_entries == 0) return;
    const time_point fresh = now + *ttl;
    const time_point stale = outcome ? fresh + options.stale_for : fresh;
    used_.push_front(k);
    entries_.emplace(k, entry{outcome, fresh, stale, fresh, used_.begin()});
    while (entries_.size() > options.max_entries) {
        erase(entries_.find(used_.back()));
        ++stats_.evicted;
    }
}

void cache_core::erase(entries::iterator e) {
    used_.erase(e->second.used);
    entries_.erase(e);
}

void cache_core::clear() {
    std::vector<std::shared_ptr<question>> unwanted;
    {
        const std::lock_guard lock(mutex_);
        entries_.clear();
        used_.clear();
        for (const auto& [k, q] : std::exchange(questions_, {})) {
            q->listed = false;
            if (q->waiting == 0) unwanted.push_back(q);
        }
    }
    for (const auto& q : unwanted) q->stop.set();
}

void cache_core::forget(std::string_view name) {
    const std::string text = plain(name);
    std::vector<std::shared_ptr<question>> unwanted;
    {
        const std::lock_guard lock(mutex_);
        for (const auto family :
             {net::address_family::any, net::address_family::v4, net::address_family::v6})
            for (const std::string& spelling : {text, text + '.'}) {
                const key k(spelling, family);
                if (const auto kept = entries_.find(k); kept != entries_.end()) erase(kept);
                const auto running = questions_.find(k);
                if (running == questions_.end()) continue;
                const auto q = running->second;
                unlist(*q);
                if (q->waiting == 0) unwanted.push_back(q);
            }
    }
    for (const auto& q : unwanted) q->stop.set();
}

cache_stats cache_core::stats() const {
    const std::lock_guard lock(mutex_);
    cache_stats s = stats_;
    s.entries = entries_.size();
    s.asking = questions_.size();
    return s;
}

}  // namespace weft::dns::detail
