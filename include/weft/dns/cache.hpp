// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/dns/answer.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::dns {

namespace detail {

class cache_core;

/// What a cache asks, and how to have a copy that outlives the caller.
struct asked_next {
    const void* next;
    resolver (*copy)(const void* next);
};

}  // namespace detail

struct cache_options {
    /// Names at most, each family counted; the least recently used make room. Zero: nothing is
    /// kept.
    std::size_t max_entries = 4096;
    /// An answer is kept for its time to live, but no longer than this, and no shorter than that.
    std::chrono::seconds max_ttl{3600};
    std::chrono::seconds min_ttl{0};
    /// For answers without a time to live: the system's resolver gives none.
    std::chrono::seconds unknown_ttl{30};
    /// That a name, or an address of a family, does not exist (RFC 2308).
    std::chrono::seconds negative_ttl{10};
    /// That nobody could answer (RFC 9520: at least a second, or an outage becomes a storm).
    std::chrono::seconds failure_ttl{1};
    /// For so long after its time an answer is given all the same, while it is asked for anew in
    /// the background (RFC 8767). Zero: never.
    std::chrono::seconds stale_for{60};
    /// A question that runs on another execution context is waited for no longer than this: that
    /// context may have stopped. Then who waits asks anew. Longer than a resolver takes.
    std::chrono::seconds patience{20};
};

struct cache_stats {
    std::uint64_t hits = 0;    ///< answered from what was kept, stale ones included
    std::uint64_t stale = 0;   ///< of those, past their time
    std::uint64_t misses = 0;  ///< asked
    std::uint64_t shared = 0;  ///< waited for a question that somebody else had asked
    std::uint64_t evicted = 0;
    std::size_t entries = 0;
    std::size_t asking = 0;  ///< questions under way
};

/// A layer that keeps answers, those that say no included:
///
///     dns::cache kept({.max_ttl = 10min});
///     dns::resolver names = dns::special_names() >> kept >> dns::system_resolver();
///     auto all = kept.stats();
///
/// **One question at a time.** Who asks for what is being asked already waits for the same answer,
/// on whatever execution context. The question belongs to nobody: it runs on the context of who
/// asked first, with empty extensions, and goes on when that one is cancelled; when nobody waits
/// for it any more it is cancelled. A `weft::deadline` in a request's extensions ends that one's
/// wait.
/// **Names** are compared without regard to case. "host" and "host." are two: only the first may be
/// completed from a search list. Of an answer the first 64 addresses are kept and given.
/// **Time.** `answer::ttl` of a kept answer is what is left of it, `answer::from` says that it was
/// kept. A question in the background that fails, or is not answered within 5 s, leaves the stale
/// answer in place, and is asked again after failure_ttl at the earliest. While it runs its
/// io_context has work.
/// **Sharing.** Copies share what is kept, and may be used from any thread. What they wrap must be
/// copyable: a question may outlive the stack it was asked through. When the last copy goes,
/// questions under way are cancelled.
///
/// Failures of the resolver pass through; a kept one is thrown again as it was.
class cache : public pipeable {
  public:
    explicit cache(cache_options options = {});

    template <class Next>
    awaitable<answer> serve(net::resolve_request what, const Next& next) const {
        static_assert(std::copy_constructible<Next>,
                      "weft: what dns::cache wraps must be copyable: its questions may outlive it");
        return ask(core_, std::move(what),
                   {&next, [](const void* n) {
                        return resolver(
                            [copy = *static_cast<const Next*>(n)](net::resolve_request question) {
                                return copy(std::move(question));
                            });
                    }});
    }

    /// Forgets everything, or all that is known of one name, with and without the dot at its end.
    /// What was asked before is told to those who wait for it, and not kept.
    void clear() const;
    void forget(std::string_view name) const;
    [[nodiscard]] cache_stats stats() const;

  private:
    static awaitable<answer> ask(std::shared_ptr<detail::cache_core> core,
                                 net::resolve_request what, detail::asked_next next);

    std::shared_ptr<detail::cache_core> core_;
};

}  // namespace weft::dns
