// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <type_traits>
#include <utility>

namespace weft {

/// Gives each core an application of its own, made on that core by calling `make()`: what the
/// application keeps (counters, caches, clients) is then shared by no other thread.
///
///     return weft::runtime{{.threads = 8}}.run(http::serve(address, per_core(make_app)));
///
/// `make` is called once per core, from that core;
/// it must be callable from several threads at once.
template <class Make>
class per_core {
  public:
    explicit per_core(Make make) : make_(std::move(make)) {}
    [[nodiscard]] auto make() const { return make_(); }

  private:
    Make make_;
};

template <class T>
inline constexpr bool is_per_core = false;
template <class Make>
inline constexpr bool is_per_core<per_core<Make>> = true;

}  // namespace weft
