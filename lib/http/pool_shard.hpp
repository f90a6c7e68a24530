// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "client_connection.hpp"
#include "pool_gate.hpp"
#include "url.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/connection_scoped.hpp>
#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/pool.hpp>
#include <weft/layer/phase.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/detail/wait_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::http::detail {

/// What all shards of a pool share. Nothing in it is written on the way of a request.
struct pool_setup {
    pool_setup(connection_opener o, client_options c);

    const connection_opener open;
    const client_options options;
    weft::extensions told;  ///< what is observed goes to the observer in here
    const bool listens;
    std::atomic<bool> closed{false};
    pool_gate connections;  ///< open ones, and openings
    pool_gate objects;      ///< connections that exist
};

/// Everything that changes what a connection means. The TLS configuration, the route and the wish
/// for a version are the opener's, of which a pool has one, or connection-scoped.
struct pool_key {
    bool secure = false;
    std::string host;
    std::uint16_t port = 0;
    connection_scope scope;

    [[nodiscard]] std::string authority() const { return authority_text(secure, host, port); }
    friend bool operator==(const pool_key&, const pool_key&) = default;
};
struct pool_key_hash {
    std::size_t operator()(const pool_key& k) const noexcept;
};

struct pool_host;
struct pool_opening;
class pool_shard;

/// One connection as its pool sees it. Counts are guarded by the shard, `driver` is used on
/// `executor` only.
struct pooled final : std::enable_shared_from_this<pooled> {
    pooled(std::shared_ptr<pool_shard> s, pooled_connection d);

    /// On its executor: it has changed.
    void changed();
    /// On its executor, later: begins no exchange any more, or ends at once. Takes the reference
    /// along, because the last one may be dropped there only.
    static void drain_later(std::shared_ptr<pooled> c);
    static void close_later(std::shared_ptr<pooled> c);

    const std::shared_ptr<pool_shard> shard;
    const pooled_connection driver;
    const boost::asio::any_io_executor executor;
    std::shared_ptr<const pool_opening> opened_by;  ///< until its first exchange begins

    std::shared_ptr<pool_host> host;  ///< null once it is out of the pool
    std::size_t free = 0;             ///< exchanges that may be promised
    std::size_t promised = 0;         ///< to leases that have not begun
    std::size_t uses = 0;             ///< exchanges begun
    std::uint64_t idle_since = 0;     ///< the shard's order, while idle
    bool idle = false;
    bool retired = false;  ///< begins no exchange that is not promised already

    struct age_limit final : deadlines::entry {
        explicit age_limit(pooled& c);
        pooled& of;
    };
    std::optional<age_limit> age;  ///< on its executor
    pool_pass pass;                ///< while it is in the pool
};

/// One exchange on one connection, promised. Gives it back when it is not begun.
class pool_lease {
  public:
    pool_lease() noexcept = default;
    explicit pool_lease(std::shared_ptr<pooled> c) noexcept : connection_(std::move(c)) {}
    pool_lease(pool_lease&& other) noexcept : connection_(std::move(other.connection_)) {}
    pool_lease& operator=(pool_lease&& other) noexcept {
        std::swap(connection_, other.connection_);
        return *this;
    }
    ~pool_lease();

    [[nodiscard]] explicit operator bool() const noexcept { return connection_ != nullptr; }
    [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept {
        return connection_->executor;
    }
    /// On the executor: the exchange begins in this turn, on what is given, which is let go there
    /// too. Null when the connection has ended meanwhile.
    [[nodiscard]] std::shared_ptr<pooled> begin();
    /// After begin(): whether there were exchanges before.
    [[nodiscard]] bool reused() const noexcept { return reused_; }
    /// Whoever opened it, for the first exchange; else null.
    [[nodiscard]] const std::shared_ptr<const pool_opening>& opened_by() const noexcept {
        return opened_by_;
    }

  private:
    std::shared_ptr<pooled> connection_;
    std::shared_ptr<const pool_opening> opened_by_;
    bool reused_ = false;
};

/// A connection that is being opened.
struct pool_opening final : std::enable_shared_from_this<pool_opening> {
    /// On its executor.
    void stop();

    std::shared_ptr<pool_shard> shard;
    std::shared_ptr<pool_host> host;
    boost::asio::any_io_executor lane;
    net::connect_request wanted;
    weft::extensions_link facts;  ///< what was noted on the way: phases, addresses
    clock::duration took{};
    pool_pass pass;
    boost::asio::cancellation_signal signal;
    bool begun = false;
    bool stopped = false;
};

/// Who waits for a connection, in the order in which they came. Those whose connection turned out
/// to have ended meanwhile are back in their place, which is before all others.
class pool_line {
  public:
    [[nodiscard]] bool empty() const noexcept { return back_.empty() && usual_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return back_.size() + usual_.size(); }
    [[nodiscard]] weft::detail::waiter* first() const noexcept {
        return back_.empty() ? usual_.first() : back_.first();
    }
    void finish_first(weft::detail::waiter::outcome result,
                      weft::detail::wait_list& ready) noexcept {
        (back_.empty() ? usual_ : back_).finish_first(result, ready);
    }
    /// Where a request waits, by whether it has been granted a connection before.
    [[nodiscard]] weft::detail::wait_list& list(bool again) noexcept {
        return again ? back_ : usual_;
    }

  private:
    weft::detail::wait_list back_;
    weft::detail::wait_list usual_;
};

/// One key's connections and queue. Guarded by its shard.
struct pool_host {
    explicit pool_host(const pool_key& k) : key(k), authority(k.authority()) {}

    enum class speaks : unsigned char { unknown, one_at_a_time, many_at_once };

    const pool_key key;
    const std::string authority;
    speaks version = speaks::unknown;
    std::vector<std::shared_ptr<pooled>> connections;
    std::vector<pooled*> ready;  ///< with something free; the one used last at the end
    pool_line waiting;
    std::size_t connecting = 0;
    std::size_t idle = 0;
    std::size_t users = 0;  ///< requests that wait, or are about to
    bool wants_room = false;
};

/// The connections, queues and limits of one execution context.
class pool_shard final : public weft::detail::waitable,
                         public std::enable_shared_from_this<pool_shard> {
  public:
    explicit pool_shard(std::shared_ptr<pool_setup> setup);
    ~pool_shard() = default;

    /// What it belongs to; null once that is gone.
    std::atomic<const boost::asio::execution_context*> context{nullptr};
    context_info* info = nullptr;

    /// A connection that is free, if there is one and nobody waits.
    pool_lease try_take(const pool_key& key);
    /// A request's claim, from the first time that it waits until it has begun.
    struct claim {
        clock::time_point began;
        clock::time_point until;
        std::uint64_t order = 0;  ///< 0: it has not waited yet
    };
    /// The next in turn. Throws as pool::serve does.
    awaitable<pool_lease> acquire(const pool_key* key, const weft::extensions* request, claim* of);
    /// One that was kept was stale: the others may be as well.
    void drop_idle(const pool_key& key);

    /// Called on the connection's executor.
    void update(const std::shared_ptr<pooled>& c);
    bool begin(const std::shared_ptr<pooled>& c, bool& reused,
               std::shared_ptr<const pool_opening>& opened_by);
    void retire(const std::shared_ptr<pooled>& c);
    /// From anywhere: a lease was not used.
    void give_back(std::shared_ptr<pooled> c) noexcept;
    /// On the opening's executor.
    void opened(const std::shared_ptr<pool_opening>& by, std::exception_ptr thrown,
                pooled_connection made);

    /// The pool is closed: queues end, openings stop, connections drain.
    void close();
    /// Those that are left are cut off.
    void cut();
    /// The execution context ends.
    void abandon() noexcept;

    void add_to(pool_statistics& sum) const;
    [[nodiscard]] const pool_setup& setup() const noexcept { return *setup_; }

  private:
    struct waiting_request;
    struct user;
    struct answer;
    /// What has to be done once the lock is given back.
    struct deeds {
        weft::detail::wait_list ready;
        std::vector<std::shared_ptr<pool_opening>> open;
        std::vector<std::shared_ptr<pooled>> close;
        std::shared_ptr<pooled> idle;
    };

    awaitable<answer> wait(std::shared_ptr<pool_host> host, const weft::extensions* request,
                           claim* of);
    void wants(const std::shared_ptr<pool_host>& host);
    void do_all(deeds& d);
    void launch(const std::shared_ptr<pool_opening>& o);
    void admit(const std::shared_ptr<pool_opening>& by, pooled_connection made);
    void not_opened(const std::shared_ptr<pool_opening>& by, const failure& why);
    void connections_changed(int by) const;
    [[nodiscard]] failure closed_failure() const;

    // Under the lock.
    std::shared_ptr<pool_host> host_of(const pool_key& key);
    std::shared_ptr<pooled> take(pool_host& h);
    void serve_queue(pool_host& h, deeds& d);
    void open_more(const std::shared_ptr<pool_host>& h, deeds& d);
    bool make_room(const pool_host& h, deeds& d);
    void use_room(deeds& d);
    void become_idle(const std::shared_ptr<pooled>& c, deeds& d);
    void no_longer_idle(pooled& c) noexcept;
    void not_ready(pooled& c) noexcept;
    void remove(const std::shared_ptr<pooled>& c, deeds& d);
    void forget_if_unused(const std::shared_ptr<pool_host>& h);
    void start_opening(const std::shared_ptr<pool_host>& h, deeds& d);
    void opening_is_over(const pool_opening& o) noexcept;
    void fail_first(pool_host& h, const failure& f, deeds& d);
    void fail_all(pool_host& h, const failure& f, deeds& d);
    [[nodiscard]] bool must_yield(const pool_host& h) const noexcept;
    [[nodiscard]] bool room_is_wanted() const noexcept;

    const std::shared_ptr<pool_setup> setup_;
    std::unordered_map<pool_key, std::shared_ptr<pool_host>, pool_key_hash> hosts_;
    std::vector<std::shared_ptr<pool_host>> without_room_;  // in order
    std::vector<std::weak_ptr<pool_opening>> openings_;
    std::size_t open_ = 0;
    std::size_t connecting_ = 0;
    std::size_t idle_ = 0;
    std::size_t users_ = 0;
    std::uint64_t order_ = 0;
};

}  // namespace weft::http::detail
