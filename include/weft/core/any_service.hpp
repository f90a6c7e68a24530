// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/service.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

/// Any service from `Req` to `Res`, where a type must be named: one shared pointer, one virtual
/// call, no further coroutine frame.
///
///     any_service<http::request, http::response> app = log_slow(200ms) >> router;
///
/// Copies share the service. Const access is as thread-safe as the service itself. Calling an empty
/// one is undefined; ask `if (app)`.
template <class Req, class Res>
class any_service {
  public:
    any_service() noexcept = default;

    template <class S>
        requires(!std::same_as<std::remove_cvref_t<S>, any_service>)
    any_service(S&& service)  // NOLINT(google-explicit-constructor): erasure is meant to be silent
        : held_(make(std::forward<S>(service))) {}

    awaitable<Res> serve(Req request) const { return held_->serve(std::move(request)); }

    explicit operator bool() const noexcept { return held_ != nullptr; }

  private:
    struct concept_ {
        virtual ~concept_() = default;
        virtual awaitable<Res> serve(Req) const = 0;
    };
    template <class S>
    struct model final : concept_ {
        explicit model(S s) : service(std::move(s)) {}
        awaitable<Res> serve(Req request) const override {
            return weft::serve(service, std::move(request));
        }
        [[no_unique_address]] S service;
    };

    template <class S>
    static std::shared_ptr<const concept_> make(S&& service) {
        using plain = std::decay_t<S>;
        require_service<plain, Req>();
        if constexpr (weft::service<plain, Req>) {
            static_assert(
                std::same_as<response_of<plain, Req>, Res>,
                "weft: the service answers with another type than any_service<Req, Res> asks "
                "for");
            return std::make_shared<const model<plain>>(std::forward<S>(service));
        } else {
            return nullptr;
        }
    }

    std::shared_ptr<const concept_> held_;
};

}  // namespace weft
