// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/layer.hpp>

#include <source_location>
#include <utility>

namespace weft {

/// Puts a copy of a value into the extensions of each request: what inner layers and the service
/// find there with `get<T>()`.
///
///     auto app = add_extension(tenant{"shop"}) >> router;
///
/// Belongs outside of whoever reads it. What is shared goes in as a shared_ptr or any handle. The
/// request must carry extensions; around a service of io::stream the value becomes a fact of the
/// connection. No coroutine: it costs the copy and an insert.
template <class T>
class add_extension : public pipeable {
    static_assert(may_be_extension<T>, "weft: this type cannot be an extension");

  public:
    explicit add_extension(T value, std::source_location where = std::source_location::current())
        : value_(std::move(value)), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const {
        static_assert(detail::has_extensions<Req> || detail::is_extensions<Req>,
                      "weft: add_extension needs a request that has extensions()");
        extensions_of(request)->insert(T(value_), where_);
        return next(std::move(request));
    }

  private:
    T value_;
    std::source_location where_;
};

}  // namespace weft
