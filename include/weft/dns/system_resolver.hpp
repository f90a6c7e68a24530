// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/dns/answer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace weft::dns {

namespace detail {
class look_up_pool;
}  // namespace detail

/// A look-up that blocks the thread it is called on: getaddrinfo, or what a program has in its
/// place. Called on several threads at once; throws what the resolver is to throw.
using look_up_function = std::function<answer(std::string name, net::address_family family)>;

struct system_options {
    /// How many names are looked up at once, each on a thread apart that ends when there are none.
    std::size_t threads = 16;
    /// How many more may wait for a thread; the next one fails at once (exhausted).
    std::size_t queue = 256;
    /// For one look-up, the wait for a thread included. Zero: as long as it takes.
    std::chrono::milliseconds timeout{15'000};
    /// Empty: getaddrinfo.
    look_up_function look_up = {};
};

/// The operating system's resolver (getaddrinfo: /etc/hosts, nsswitch.conf, the search list, mDNS):
///
///     dns::resolver names = dns::system_resolver({.threads = 2});
///     dns::answer found = co_await names.serve(net::resolve_request("example.org"));
///
/// getaddrinfo cannot be interrupted and may take minutes. So it runs on threads apart, which live
/// only while there are look-ups, and nobody ever waits for one: a caller that is cancelled, or
/// whose time is up, goes on at once, and the thread is left to itself with what it needs. Who asks
/// for a name and family that a thread is looking up already waits for the same answer: a name that
/// hangs holds one thread for each family, and the others serve the other names. While
/// all threads hang, look-ups fail with timeout, and when the queue is full with exhausted, until
/// one of them comes back. The end of the process is not delayed either.
///
/// The answers come in getaddrinfo's order (RFC 6724) and have no time to live. Families that the
/// host has no address of its own for are left out (AI_ADDRCONFIG), and so is what follows the
/// first 64 addresses.
///
/// **Sharing.** Copies share the threads and the queue, and may be used on any execution context.
/// Names are looked up first come, first served.
class system_resolver {
  public:
    explicit system_resolver(system_options options = {});

    awaitable<answer> serve(net::resolve_request what) const;

    /// Threads that are looking something up, hanging ones included.
    [[nodiscard]] std::size_t busy() const;
    /// Names that wait for a thread.
    [[nodiscard]] std::size_t queued() const;

  private:
    std::chrono::milliseconds timeout_;
    std::shared_ptr<detail::look_up_pool> pool_;
};

}  // namespace weft::dns
