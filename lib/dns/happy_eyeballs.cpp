// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "address_queue.hpp"
#include "failures.hpp"
#include "names.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/deadline.hpp>
#include <weft/dns/happy_eyeballs.hpp>
#include <weft/runtime/channel.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace weft::dns::detail {

namespace asio = boost::asio;
using net::address_family;
using net::connect_attempt;

namespace {

std::string readable(clock::duration d) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    return ms % 1000 == 0 ? fmt::format("{} s", ms / 1000) : fmt::format("{} ms", ms);
}

std::string reason(const failure& f) {
    if (f.kind() == failure_kind::timeout && f.code() != asio::error::timed_out)
        return std::string(f.message());
    return f.code() ? f.code().message() : std::string(f.message());
}

/// One call. Its body alone decides; the children tell it, through `news_`, what they came to.
class race_of_addresses {
  public:
    race_of_addresses(const happy_settings& settings, const net::connect_request& to, dialler dial,
                      const clock& time)
        : settings_(settings),
          to_(to),
          dial_(dial),
          time_(time),
          begun_(time.now()),
          waiting_(settings.options.prefer, settings.options.max_addresses),
          news_(settings.options.max_addresses + 2) {
        record_.host = to.host;
    }

    awaitable<void> run(task_scope& scope);

    /// After run: the stream, or what went wrong.
    io::stream take();
    /// run was cancelled, or failed by itself.
    [[nodiscard]] failure stopped(failure f) {
        end_record();
        return described(std::move(f));
    }

  private:
    using time_point = clock::time_point;

    struct message {
        bool resolved = false;    ///< else of an attempt
        std::size_t attempt = 0;  ///< which
        address_family family{};  ///< of what was resolved
        std::optional<result<answer>> found = {};
        std::optional<failure> failed = {};
        io::stream stream = {};
    };
    using post = std::unique_ptr<message>;

    awaitable<void> resolve(address_family family);
    awaitable<void> attempt(std::size_t number, net::connect_request one);
    awaitable<post> next_message();

    void begin(task_scope& scope);
    void take_answer(message& m);
    void take_end(message& m);
    void end_record();
    [[nodiscard]] bool held_back(time_point now) const noexcept;
    [[nodiscard]] std::optional<time_point> wake_at() const noexcept;
    [[nodiscard]] failure unresolved() const;
    [[nodiscard]] failure described(failure f) const;
    connect_attempt& started(std::size_t number) noexcept { return record_.tried[number]; }

    const happy_settings& settings_;
    const net::connect_request& to_;
    const dialler dial_;
    const clock& time_;
    const time_point begun_;

    address_queue waiting_;
    unsigned asking_ = 0;   ///< families
    unsigned running_ = 0;  ///< attempts
    bool preferred_known_ = false;
    std::optional<time_point> others_since_;  ///< the other family came first, then
    time_point next_attempt_{};
    std::vector<failure> unresolved_;
    std::optional<failure> last_;
    net::connect_attempts record_;
    io::stream winner_;
    channel<post> news_;  // there is room for all that is ever sent
};

awaitable<void> race_of_addresses::resolve(address_family family) {
    auto m = std::make_unique<message>();
    m->resolved = true;
    m->family = family;
    net::resolve_request what(to_.host, family);
    what.port = to_.port;
    what.set_extensions(to_.extensions().fork());
    m->found.emplace(co_await weft::attempt(settings_.names.serve(std::move(what))));
    static_cast<void>(news_.try_send(std::move(m)));
}

awaitable<void> race_of_addresses::attempt(std::size_t number, net::connect_request one) {
    auto m = std::make_unique<message>();
    m->attempt = number;
    const auto limit = settings_.options.address_timeout;
    try {
        awaitable<io::stream> connecting = dial_.call(dial_.next, std::move(one));
        if (limit > clock::duration::zero())
            m->stream = co_await with_deadline(limit, std::move(connecting));
        else
            m->stream = co_await std::move(connecting);
    } catch (...) {
        m->failed = failure::from(std::current_exception());
    }
    static_cast<void>(news_.try_send(std::move(m)));
}

/// What comes next, or nothing when it is time for another attempt.
awaitable<race_of_addresses::post> race_of_addresses::next_message() {
    const auto until = wake_at();
    std::optional<post> got;
    if (until) {
        auto first = co_await when_any(news_.receive(), sleep_until(*until));
        if (auto& received = get<0>(first)) got = std::move(*received);
    } else {
        got = co_await news_.receive();
    }
    if (!got) co_return nullptr;
    co_return std::move(*got);
}

/// RFC 8305 3: the addresses of the family that is not preferred wait a moment for the others.
bool race_of_addresses::held_back(time_point now) const noexcept {
    return !preferred_known_ && record_.tried.empty() && others_since_ &&
           now < *others_since_ + settings_.options.resolution_delay;
}

std::optional<race_of_addresses::time_point> race_of_addresses::wake_at() const noexcept {
    if (waiting_.empty()) return std::nullopt;
    if (!preferred_known_ && record_.tried.empty() && others_since_)
        return *others_since_ + settings_.options.resolution_delay;
    return next_attempt_;
}

void race_of_addresses::begin(task_scope& scope) {
    const asio::ip::address ip = waiting_.take();
    const std::size_t number = record_.tried.size();
    const auto now = time_.now();
    record_.tried.push_back({net::endpoint(ip, to_.port), now - begun_});
    net::connect_request one(ip.to_string(), to_.port);
    one.scheme = to_.scheme;
    one.set_extensions(to_.extensions().fork());
    ++running_;
    next_attempt_ = now + settings_.options.attempt_delay;
    scope.spawn(attempt(number, std::move(one)));
}

void race_of_addresses::take_answer(message& m) {
    --asking_;
    const auto now = time_.now();
    const auto& o = settings_.options;
    const address_family preferred = o.prefer == address_family::v4 ? o.prefer : address_family::v6;
    if (m.family == preferred || o.only != address_family::any) preferred_known_ = true;
    if (!*m.found) {
        unresolved_.push_back(m.found->error());
        return;
    }
    const answer& a = **m.found;
    if (!preferred_known_ && !a.addresses.empty()) others_since_ = now;
    if (record_.tried.empty() && waiting_.empty()) {
        record_.resolved_after = now - begun_;
        record_.from = a.from;
    }
    waiting_.add(a.addresses);
}

void race_of_addresses::take_end(message& m) {
    --running_;
    connect_attempt& one = started(m.attempt);
    one.took = time_.now() - begun_ - one.began;
    if (!m.failed) {
        one.outcome = connect_attempt::end::connected;
        winner_ = std::move(m.stream);
        return;
    }
    one.outcome = connect_attempt::end::failed;
    failure f = std::move(*m.failed);
    if (f.kind() == failure_kind::timeout && !f.context("address"))
        f = failure(failure_kind::timeout, asio::error::timed_out,
                    "no answer within " + readable(settings_.options.address_timeout));
    one.why = f.kind() == failure_kind::timeout ? std::string(f.message()) : reason(f);
    if (!f.context("address")) f = std::move(f).with("address", net::to_string(one.address));
    if (last_) f = std::move(f).because(std::move(*last_));
    last_ = std::move(f);
    next_attempt_ = time_.now();  // no need to wait for its silence
}

awaitable<void> race_of_addresses::run(task_scope& scope) {
    if (const auto address = literal(to_.host)) {
        preferred_known_ = true;
        waiting_.add({*address});
    } else {
        for (const auto family : {address_family::v6, address_family::v4}) {
            const auto only = settings_.options.only;
            if (only != address_family::any && only != family) continue;
            ++asking_;
            scope.spawn(resolve(family));
        }
    }
    for (;;) {
        const auto now = time_.now();
        if (!waiting_.empty() && !held_back(now) && (running_ == 0 || now >= next_attempt_)) {
            begin(scope);
            continue;
        }
        if (waiting_.empty() && asking_ == 0 && running_ == 0) break;
        const post m = co_await next_message();
        if (!m) continue;
        if (m->resolved)
            take_answer(*m);
        else
            take_end(*m);
        if (winner_) break;
    }
    end_record();
}

/// Those that have not ended end now.
void race_of_addresses::end_record() {
    const auto now = time_.now();
    for (connect_attempt& one : record_.tried)
        if (one.outcome == connect_attempt::end::abandoned) one.took = now - begun_ - one.began;
}

io::stream race_of_addresses::take() {
    if (winner_) {
        winner_.extensions().insert(std::move(record_));
        return std::move(winner_);
    }
    if (!last_) throw unresolved();
    throw described(std::move(*last_));
}

/// Of two families' failures the one that says more: a server's before "no such host", and that
/// before "no address of that family".
failure race_of_addresses::unresolved() const {
    const failure* best = nullptr;
    const auto rank = [](const failure& f) {
        return !is_missing(f) ? 2 : f.code() == asio::error::host_not_found ? 1 : 0;
    };
    for (const failure& f : unresolved_)
        if (!best || rank(f) > rank(*best)) best = &f;
    if (!best || (rank(*best) == 0 && unresolved_.size() > 1))
        return described(no_address(to_.host, settings_.options.only));
    return described(*best);
}

failure race_of_addresses::described(failure f) const {
    if (!f.context("host")) f = std::move(f).with("host", to_.host);
    if (!f.context("port")) f = std::move(f).with("port", static_cast<long long>(to_.port));
    f = std::move(f).in(failure_domain::transport).delivered(delivery::not_sent);
    if (record_.tried.empty()) return f;
    return std::move(f).with("tried", net::to_string(record_)).detail(record_);
}

awaitable<void> run_in_scope(race_of_addresses& race) {
    auto body = [&race](task_scope& scope) { return race.run(scope); };
    co_await with_scope(body);
}

}  // namespace

awaitable<io::stream> connect_happily(std::shared_ptr<const happy_settings> settings,
                                      net::connect_request to, dialler dial) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    race_of_addresses race(*settings, to, dial, context_info::of(executor).clock());
    const auto limit = deadline_of(to);
    std::optional<failure> stopped;
    try {
        awaitable<void> running = run_in_scope(race);
        if (limit)
            co_await with_deadline(limit->at, std::move(running));
        else
            co_await std::move(running);
    } catch (...) {
        stopped = failure::from(std::current_exception());
    }
    if (stopped) throw race.stopped(std::move(*stopped));
    co_return race.take();
}

}  // namespace weft::dns::detail
