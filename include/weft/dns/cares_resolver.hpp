// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/dns/answer.hpp>
#include <weft/net/endpoint.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

namespace weft::dns {

/// Whether this weft was built with c-ares (the meson option `cares`).
[[nodiscard]] bool has_cares() noexcept;

struct cares_options {
    /// The name servers; empty: those of /etc/resolv.conf.
    std::vector<net::endpoint> servers = {};
    /// How long a server is waited for the first time; each round waits longer.
    std::chrono::milliseconds query_timeout{2000};
    /// How many rounds over all servers.
    unsigned tries = 3;
    /// For a name in all. Zero: as long as the rounds take.
    std::chrono::milliseconds timeout{15'000};
    /// Looks into /etc/hosts first.
    bool hosts_file = true;
    /// Completes short names from resolv.conf's search list.
    bool search = true;
    /// So many questions at once, each with sockets of its own; the next one fails at once
    /// (exhausted).
    std::size_t questions = 1024;
};

namespace detail {
struct cares_state;
}

/// A resolver that asks the name servers itself, through c-ares: answers have their real time to
/// live, nothing needs a thread, and a question that is cancelled is over.
///
///     dns::resolver names = dns::special_names() >> dns::cache() >> dns::cares_resolver();
///
/// Each question has sockets of its own (so a new source port), which wait in the caller's event
/// loop, and reads resolv.conf anew; a cache belongs in front of it. An answer that does not fit a
/// datagram is asked for again over TCP. What the system has besides DNS and /etc/hosts (mDNS,
/// nsswitch.conf) it does not know: that is system_resolver's.
///
/// The order of the addresses follows RFC 6724; of more than 64 the first are given. Copies share
/// the options and the count of questions; one resolver serves any number of execution contexts.
/// c-ares keeps its own time, so this needs real sockets and real time, in tests too
/// (testing::run_real).
class cares_resolver {
  public:
    /// Throws failure, kind invalid_input, when weft was built without c-ares.
    explicit cares_resolver(cares_options options = {});

    awaitable<answer> serve(net::resolve_request what) const;

  private:
    std::shared_ptr<detail::cares_state> state_;
};

}  // namespace weft::dns
