// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What the tests of this room ask: a resolver with a plan.

#include <weft/core/attempt.hpp>
#include <weft/core/deadline.hpp>
#include <weft/core/failure.hpp>
#include <weft/dns/answer.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resolvers {

namespace asio = boost::asio;
using namespace weft;
using namespace std::chrono_literals;

inline awaitable<clock::time_point> now() {
    auto executor = co_await asio::this_coro::executor;
    co_return context_info::of(executor).clock().now();
}

/// The n-th question takes its time and ends as planned; the last line holds for all that follow.
class scripted {
  public:
    struct line {
        std::optional<std::chrono::seconds> ttl = std::nullopt;
        boost::system::error_code error = {};
        clock::duration takes{};
        std::string address = "192.0.2.1";
    };
    std::vector<line> plan;

    awaitable<dns::answer> serve(net::resolve_request what) const {
        const line now = plan[std::min(counts_->asked++, plan.size() - 1)];
        const auto counts = counts_;
        std::exception_ptr cut;
        try {
            if (now.takes > clock::duration::zero()) co_await sleep_for(now.takes);
        } catch (...) {
            cut = std::current_exception();
        }
        if (cut) {
            ++counts->cancelled;
            std::rethrow_exception(cut);
        }
        if (now.error) throw failure::from(now.error, "planned").with("host", what.name);
        dns::answer a;
        a.ttl = now.ttl;
        a.from = net::answer_source::server;
        a.addresses.push_back(asio::ip::make_address(now.address));
        co_return a;
    }

    [[nodiscard]] std::size_t asked() const { return counts_->asked; }
    [[nodiscard]] std::size_t cancelled() const { return counts_->cancelled; }

  private:
    struct counts {
        std::size_t asked = 0;
        std::size_t cancelled = 0;
    };
    std::shared_ptr<counts> counts_ = std::make_shared<counts>();
};

/// `names` outlives it.
template <class Resolver>
awaitable<dns::answer> ask(const Resolver& names, std::string name,
                           net::address_family family = net::address_family::any) {
    net::resolve_request what(std::move(name), family);
    co_return co_await names.serve(std::move(what));
}

/// "192.0.2.1 ::1"
inline std::string text_of(const dns::answer& a) {
    std::string text;
    for (const auto& one : a.addresses) (text += text.empty() ? "" : " ") += one.to_string();
    return text;
}

}  // namespace resolvers
