// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/attempt.hpp>
#include <weft/dns/cache.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace weft::dns::detail {

/// What is kept, and the questions under way. All under one lock, held for a look-up.
class cache_core : public std::enable_shared_from_this<cache_core> {
  public:
    using key = std::pair<std::string, net::address_family>;
    using time_point = clock::time_point;

    /// One question: who waits for it waits for `done`. It is over when that is set; without an
    /// outcome when the context that asked has ended.
    struct question {
        question(key of, std::uintptr_t asked_on) : about(std::move(of)), context(asked_on) {}
        const key about;
        const std::uintptr_t context;  ///< which one runs it
        event done;
        event stop;
        // Under the cache's lock.
        std::size_t waiting = 0;
        std::optional<time_point> awaited_elsewhere;  ///< since when, by another context
        bool background = false;                      ///< goes on without anybody
        bool listed = true;  ///< who comes now joins it, and its answer is kept
        bool over = false;
        std::optional<result<answer>> outcome;  ///< does not change once `done` is set
    };

    /// What to do with a request.
    struct plan {
        std::optional<result<answer>> now;        ///< the answer is there
        std::shared_ptr<question> ask;            ///< to be started
        std::shared_ptr<question> wait;           ///< to be waited for; `waiting` counts us
        std::optional<time_point> awaited_since;  ///< its awaited_elsewhere
    };

    /// Counts one that waits for a question.
    class seat {
      public:
        seat(cache_core& core, std::shared_ptr<question> q)
            : core_(core), question_(std::move(q)) {}
        seat(const seat&) = delete;
        seat& operator=(const seat&) = delete;
        ~seat() { core_.leave(question_); }

      private:
        cache_core& core_;
        std::shared_ptr<question> question_;
    };

    explicit cache_core(cache_options o) : options(o) {}
    cache_core(const cache_core&) = delete;
    cache_core& operator=(const cache_core&) = delete;
    ~cache_core();

    const cache_options options;

    /// `context` is that of who asks.
    plan look(const key& k, time_point now, std::uintptr_t context);
    void leave(const std::shared_ptr<question>& q);
    /// Who comes now asks anew; those who wait go on waiting.
    void give_up(const std::shared_ptr<question>& q);
    /// The question has come to its end.
    void land(const std::shared_ptr<question>& q, std::optional<result<answer>> outcome,
              time_point now);
    /// Asks, on `executor`.
    static void launch(const std::shared_ptr<cache_core>& core, std::shared_ptr<question> q,
                       resolver next, const boost::asio::any_io_executor& executor);

    void clear();
    void forget(std::string_view name);
    cache_stats stats() const;

  private:
    struct entry {
        result<answer> kept;
        time_point fresh_until;
        time_point stale_until;
        time_point ask_again;  ///< in the background, not before
        std::list<key>::iterator used;
    };
    using entries = std::map<key, entry>;

    std::shared_ptr<question> begin(const key& k, std::uintptr_t context);
    void unlist(question& q);
    void keep(const key& k, const result<answer>& outcome, time_point now);
    void erase(entries::iterator e);

    mutable std::mutex mutex_;
    entries entries_;
    std::list<key> used_;  ///< most recently first
    std::map<key, std::shared_ptr<question>> questions_;
    cache_stats stats_;
};

}  // namespace weft::dns::detail
