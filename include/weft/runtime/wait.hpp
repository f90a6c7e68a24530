// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/runtime/clock.hpp>

#include <boost/system/error_code.hpp>

#include <atomic>
#include <cstddef>
#include <source_location>
#include <string>

namespace weft {

class context_info;
class wait_scope;

namespace detail {
class resume_mark;
}

/// What a test does to an operation that is about to begin, or to wait.
struct wait_fault {
    boost::system::error_code error{};  ///< it fails with this
    clock::duration delay{};            ///< it begins so much later

    explicit operator bool() const noexcept { return error || delay > clock::duration::zero(); }
};

/// Who wants to see each wait begin, and may spoil it: testing::fault_plan.
class wait_hook {
  public:
    wait_hook() = default;
    wait_hook(const wait_hook&) = delete;
    wait_hook& operator=(const wait_hook&) = delete;
    virtual ~wait_hook() = default;

    /// A wait begins that can only be cancelled.
    virtual void on_wait(const char* what, std::source_location where) noexcept = 0;
    /// An operation begins that may fail, or take longer; it need not come to a wait.
    virtual wait_fault on_operation(const char* what, std::source_location where) noexcept = 0;
};

/// Who waits, and where: what a deadlocked test prints. In production a context has none, unless a
/// watchdog watches it: then one that keeps no list and only notes who resumed last.
class wait_registry {
  public:
    enum class keeps : bool { nothing, list };

    wait_registry() = default;
    explicit wait_registry(keeps k) noexcept : lists_(k == keeps::list) {}
    wait_registry(const wait_registry&) = delete;
    wait_registry& operator=(const wait_registry&) = delete;
    /// Waits that are still registered forget the registry.
    ~wait_registry();

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// One line a wait, oldest first: `  sleep_for at shop_test.cpp:12 (in awaitable<void> buy())`.
    [[nodiscard]] std::string report() const;

    /// Where it is noted that a wait is over; the mark lives as long as the context.
    void set_mark(detail::resume_mark& mark) noexcept {
        mark_.store(&mark, std::memory_order_release);
    }

    /// Null for none.
    void set_hook(wait_hook* hook) noexcept { hook_ = hook; }
    [[nodiscard]] wait_hook* hook() const noexcept { return hook_; }

  private:
    friend class wait_scope;
    const bool lists_ = true;
    std::atomic<detail::resume_mark*> mark_{nullptr};
    wait_scope* first_ = nullptr;
    wait_scope* last_ = nullptr;
    std::size_t size_ = 0;
    wait_hook* hook_ = nullptr;
};

/// Asked by what can fail or be late, before it begins: what a test wants of it. Nothing (one
/// pointer test) outside tests.
///
///     const wait_fault fault = fault_of(info, "connect", where);
///     if (fault.error) throw failure::from(fault.error, "cannot connect");
[[nodiscard]] wait_fault fault_of(const context_info& info, const char* what,
                                  std::source_location where) noexcept;

/// Registers the wait of one coroutine for as long as it lives; does nothing (one pointer test)
/// outside tests and where no watchdog watches.
///
///     wait_scope waiting(context_info::of(ex), "event", where);   // where: of the caller
///     co_await suspended();                                       // a deadlock report names it
///
/// `what` must be a string that lives on, a literal. Made and destroyed on the context it names.
class wait_scope {
  public:
    /// A wait that was asked about already, by fault_of.
    enum announced_t : unsigned char { announced };

    wait_scope(context_info& info, const char* what, std::source_location where) noexcept;
    wait_scope(context_info& info, const char* what, std::source_location where,
               announced_t) noexcept;
    wait_scope(const wait_scope&) = delete;
    wait_scope& operator=(const wait_scope&) = delete;
    ~wait_scope() {
        if (registry_) leave();
    }

    /// For a scope around work instead of a wait (a task): the work begins now.
    void begin() const noexcept {
        if (registry_) note();
    }

  private:
    friend class wait_registry;
    void leave() noexcept;
    void note() const noexcept;

    wait_registry* registry_;
    wait_scope* previous_ = nullptr;
    wait_scope* next_ = nullptr;
    const char* what_;
    std::source_location where_;
};

}  // namespace weft
