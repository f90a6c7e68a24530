// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <cstddef>
#include <source_location>
#include <string>

namespace weft {

class context_info;
class wait_scope;

/// Who waits, and where: what a deadlocked test prints.
/// Tests only: in production a context has none.
class wait_registry {
  public:
    wait_registry() = default;
    wait_registry(const wait_registry&) = delete;
    wait_registry& operator=(const wait_registry&) = delete;
    /// Waits that are still registered forget the registry.
    ~wait_registry();

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// One line a wait, oldest first: `  sleep_for at shop_test.cpp:12 (in awaitable<void> buy())`.
    [[nodiscard]] std::string report() const;

  private:
    friend class wait_scope;
    wait_scope* first_ = nullptr;
    wait_scope* last_ = nullptr;
    std::size_t size_ = 0;
};

/// Registers the wait of one coroutine for as long as it
/// lives; does nothing (one pointer test) outside tests.
///
///     wait_scope waiting(context_info::of(ex), "event", where);   // where: of the caller
///     co_await suspended();                                       // a deadlock report names it
///
/// `what` must be a string that lives on, a literal. Made and destroyed on the context it names.
class wait_scope {
  public:
    wait_scope(context_info& info, const char* what, std::source_location where) noexcept;
    wait_scope(const wait_scope&) = delete;
    wait_scope& operator=(const wait_scope&) = delete;
    ~wait_scope() {
        if (registry_) leave();
    }

  private:
    friend class wait_registry;
    void leave() noexcept;

    wait_registry* registry_;
    wait_scope* previous_ = nullptr;
    wait_scope* next_ = nullptr;
    const char* what_;
    std::source_location where_;
};

}  // namespace weft
