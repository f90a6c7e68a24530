// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/dns/cache.hpp>
#include <weft/dns/overrides.hpp>
#include <weft/dns/system_resolver.hpp>

#include <vector>

namespace weft::dns {

struct resolver_options {
    cache_options cache = {};
    system_options system = {};
    /// Names whose addresses are given.
    std::vector<override_entry> overrides = {};
};

/// What a program wants that has no wishes: `overrides`, then special_names, then a cache, then the
/// operating system.
///
///     dns::resolver names = dns::default_resolver();
///     dns::answer found = co_await names.serve(net::resolve_request("localhost"));
///
/// Each call makes a cache and a set of threads of its own; copies of one share them.
resolver default_resolver(resolver_options options = {});

}  // namespace weft::dns
