// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The inside of a testing::network: hosts, links, names, the log, and the one timer behind all that
// is on its way.

#include "../io/shutdown_hooks.hpp"
#include <weft/net/endpoint.hpp>
#include <weft/net/resolve_request.hpp>
#include <weft/runtime/channel.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/testing/link_conditions.hpp>
#include <weft/testing/network.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::testing::detail {

class network_core;
class network_connection;
class network_port;

using host_id = std::size_t;
using time_point = clock::time_point;

/// Something that is to happen at a time. Used and fired under the core's lock.
class network_timer {
  public:
    network_timer(network_core& core, std::function<void()> fire)
        : core_(core), fire_(std::move(fire)) {}
    network_timer(const network_timer&) = delete;
    network_timer& operator=(const network_timer&) = delete;
    /// Not armed.
    ~network_timer() = default;

    void arm(time_point at);
    void disarm() noexcept;
    [[nodiscard]] bool armed() const noexcept { return armed_; }

  private:
    friend class network_core;
    network_core& core_;
    std::function<void()> fire_;
    time_point at_{};
    std::uint64_t order_ = 0;
    bool armed_ = false;
};

class network_core final : public std::enable_shared_from_this<network_core>,
                           private io::detail::shutdown_hooks::hook {
  public:
    /// The lock. At its end the timer is set for what comes first, and connections that both sides
    /// have left are freed, outside of the lock.
    class guard {
      public:
        explicit guard(network_core& core) : core_(core.shared_from_this()), lock_(core.mutex_) {}
        guard(const guard&) = delete;
        guard& operator=(const guard&) = delete;
        ~guard();

      private:
        std::shared_ptr<network_core> core_;
        std::unique_lock<std::mutex> lock_;
    };

    struct host {
        std::string name;
        boost::asio::ip::address address;
        std::vector<boost::asio::ip::address> more;  ///< addresses
        std::uint16_t next_port = 49152;
        bool up = true;
    };
    struct name_entry {
        std::optional<std::vector<std::string>> addresses;
        std::optional<io::error_code> error;
        clock::duration delay{};
        std::array<clock::duration, 3> family_delay{};  ///< by net::address_family
    };
    struct address_list {
        std::vector<boost::asio::ip::address> addresses;
        io::error_code error;
        clock::duration delay{};
    };

    network_core(boost::asio::any_io_executor executor, network_options o);
    ~network_core();
    network_core(const network_core&) = delete;
    network_core& operator=(const network_core&) = delete;

    const network_options options;

    void start() { add(executor_); }
    /// The network object is gone.
    void close() noexcept;

    // All below under the lock.

    host_id host_of(std::string_view name);
    [[nodiscard]] host& at(host_id id) noexcept { return hosts_[id]; }
    [[nodiscard]] std::optional<host_id> host_at(const boost::asio::ip::address& address) const;

    [[nodiscard]] const link_conditions& link(host_id from, host_id to) const;
    void set_link(host_id from, host_id to, const link_conditions& conditions);
    void set_default_link(const link_conditions& conditions);
    /// Nothing passes: a partition, or one of the two is gone.
    [[nodiscard]] bool blocked(host_id from, host_id to) const;
    void cut(host_id from, host_id to);
    void heal(host_id from, host_id to);
    void heal_all();
    void reset_connections(host_id a, host_id b);
    void vanish(host_id h);
    void restart(host_id h);
    /// How long one piece takes from one to the other: latency and what is drawn of the jitter.
    clock::duration travel(const link_conditions& l);

    name_entry& name(std::string_view n);
    address_list look_up(std::string_view name, host_id asking,
                         net::address_family family = net::address_family::any);

    void listen(host_id h, std::uint16_t& port, network_port& p);
    void forget(network_port& p) noexcept;
    [[nodiscard]] network_port* port_at(const net::endpoint& e) const;
    std::uint16_t ephemeral_port(host_id h);

    std::uint64_t next_number() noexcept { return ++numbers_; }
    /// Takes the lock.
    std::uint64_t take_port_number() {
        const guard lock(*this);
        return ++port_numbers_;
    }
    void add(network_connection& c);
    /// Both ends are gone: freed at the end of the guard.
    void doom(network_connection& c);
    [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

    [[nodiscard]] time_point now() const noexcept { return info_.clock().now(); }
    std::size_t draw(std::size_t most) {
        return 1 + static_cast<std::size_t>(info_.entropy().below(most));
    }
    [[nodiscard]] const std::string& log() const noexcept { return log_; }
    template <class... Args>
    void note(fmt::format_string<Args...> format, const Args&... args) {
        write_line(fmt::vformat(format, fmt::make_format_args(args...)));
    }
    [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept {
        return executor_;
    }

  private:
    friend class network_timer;

    using key = std::pair<time_point, std::uint64_t>;

    using io::detail::shutdown_hooks::hook::add;
    void on_context_shutdown() noexcept override;
    void write_line(std::string_view text);
    void reschedule();
    void run_due();
    template <class F>
    void each_connection(host_id a, host_id b, F f);
    void refresh(host_id a, host_id b);

    std::mutex mutex_;
    boost::asio::any_io_executor executor_;
    context_info& info_;
    const time_point begun_;
    std::string log_;

    std::vector<host> hosts_;
    std::map<std::string, host_id, std::less<>> by_name_;
    std::map<std::string, name_entry, std::less<>> names_;
    link_conditions default_link_;
    std::map<std::pair<host_id, host_id>, link_conditions> links_;
    std::map<std::pair<host_id, host_id>, bool> cuts_;
    std::map<std::pair<host_id, std::uint16_t>, network_port*> ports_;

    std::uint64_t numbers_ = 0;
    std::uint64_t port_numbers_ = 0;
    std::map<std::uint64_t, network_connection*> connections_;
    std::vector<network_connection*> doomed_;

    std::map<key, network_timer*> timers_;
    std::uint64_t order_ = 0;
    std::optional<deadlines::sleeper> sleeper_;
    time_point sleeps_until_{};
    std::uint64_t sleep_number_ = 0;
    bool shut_ = false;
};

/// The port of a host that somebody listens on.
class network_port final {
  public:
    network_port(std::shared_ptr<network_core> core, host_id h, std::uint16_t port,
                 std::size_t backlog);
    network_port(const network_port&) = delete;
    network_port& operator=(const network_port&) = delete;
    ~network_port();

    [[nodiscard]] bool full() const { return queue.size() + opening >= queue.capacity(); }
    void close() noexcept;

    const std::shared_ptr<network_core> core;
    const host_id on;
    const std::uint64_t id;
    std::uint16_t port;
    const boost::asio::any_io_executor executor;
    channel<io::stream> queue;
    std::size_t opening = 0;  ///< connections that stand, but whose server does not know yet
    bool closed = false;      ///< under the core's lock
};

}  // namespace weft::testing::detail
