// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/detail/children.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/shielded.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <limits>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

/// `void` has a value too in the results of when_any and when_all: std::monostate.
template <class T>
using value_of = detail::value_of<T>;

/// What when_any gives: who came first, and the values of
/// all who came to their end before they were stopped.
template <class... T>
struct any_of {
    std::size_t index;  ///< the first; its value is there
    std::tuple<std::optional<value_of<T>>...>
        values;  ///< empty where the loser was stopped, or failed

    /// `get<0>(r)`: the value of one, if it came to its end.
    template <std::size_t I>
    friend auto& get(any_of& r) noexcept {
        return std::get<I>(r.values);
    }
};

/// The same for a vector of awaitables of one type.
template <class T>
struct any_of_many {
    std::size_t index;
    std::vector<std::optional<value_of<T>>> values;
};

namespace detail {

/// Those who race, whatever they are: the first to end
/// (any), or to fail (all), decides and stops the others.
class race : public family {
  public:
    enum class until : bool { first_end, first_failure };

    race(boost::asio::any_io_executor executor, context_info& info, until u)
        : family(std::move(executor), info),
          until_(u),
          serial_(info.serial() || is_serial(parent_executor())) {}

    static constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

    void cancel_all() override {
        for (std::size_t i = 0; i < size(); ++i) at(i).cancel();
    }

  protected:
    ~race() = default;
    [[nodiscard]] virtual std::size_t size() const noexcept = 0;
    [[nodiscard]] virtual child& at(std::size_t i) noexcept = 0;

    void ended(child& c) override {
        if (until_ == until::first_failure && !c.error) return;
        const child* expected = nullptr;
        if (!decisive_.compare_exchange_strong(expected, &c, std::memory_order_acq_rel)) return;
        for (std::size_t i = 0; i < size(); ++i)
            if (&at(i) != &c) at(i).cancel();
    }

    /// After the join: rethrows the failure that decided; otherwise who did.
    std::size_t decide() {
        const child* const who = decisive_.load(std::memory_order_acquire);
        if (!who) return nobody;
        if (who->error) std::rethrow_exception(who->error);
        std::size_t i = 0;
        while (&at(i) != who) ++i;
        return i;
    }

    /// Where a racer runs: here, one after the other, where
    /// only one thread is; else on a strand of its own.
    [[nodiscard]] boost::asio::any_io_executor lane() const {
        return serial_ ? parent_executor() : serialized(parent_executor());
    }
    /// Racers on strands begin at the next turn, so that they run side by side.
    [[nodiscard]] bool begins_later() const noexcept { return !serial_; }

  private:
    const until until_;
    const bool serial_;
    std::atomic<const child*> decisive_{nullptr};
};

template <class... T>
class race_of final : public race {
    static constexpr auto indices = std::index_sequence_for<T...>{};

  public:
    race_of(boost::asio::any_io_executor executor, context_info& info, until u,
            awaitable<T>&... work)
        : race(std::move(executor), info, u),
          work_(work...),
          lanes_{((void)sizeof(T*), lane())...},
          racers_(make_seats(indices)),
          members_(pointers(indices)) {}
    ~race_of() = default;

    any_of<T...> first() {
        const std::size_t index = decide();
        return any_of<T...>{index, values(indices)};
    }
    std::tuple<value_of<T>...> all() {
        decide();
        return all_values(indices);
    }

  private:
    // A tuple of pinned children, each made from its seat in place.
    using seats = std::tuple<std::conditional_t<true, child::seat, T>...>;
    struct racers {
        template <std::size_t... I>
        racers(seats s, std::index_sequence<I...>) : list(std::get<I>(s)...) {}
        explicit racers(seats s) : racers(std::move(s), indices) {}
        std::tuple<child_of<T>...> list;
    };

    template <std::size_t... I>
    seats make_seats(std::index_sequence<I...>) {
        return seats{child::seat{this, &lanes_[I]}...};
    }
    template <std::size_t... I>
    std::array<child*, sizeof...(T)> pointers(std::index_sequence<I...>) {
        return {&std::get<I>(racers_.list)...};
    }
    template <std::size_t... I>
    std::tuple<std::optional<value_of<T>>...> values(std::index_sequence<I...>) {
        return {std::move(std::get<I>(racers_.list).value)...};
    }
    template <std::size_t... I>
    std::tuple<value_of<T>...> all_values(std::index_sequence<I...>) {
        return {std::get<I>(racers_.list).take()...};
    }

    void launch() override { launch(indices); }
    template <std::size_t... I>
    void launch(std::index_sequence<I...>) {
        (std::get<I>(racers_.list).launch(std::move(std::get<I>(work_)), begins_later()), ...);
    }

    std::size_t size() const noexcept override { return sizeof...(T); }
    child& at(std::size_t i) noexcept override { return *members_[i]; }

    std::tuple<awaitable<T>&...> work_;
    std::array<boost::asio::any_io_executor, sizeof...(T)> lanes_;
    racers racers_;
    std::array<child*, sizeof...(T)> members_;
};

template <class T>
class race_of_many final : public race {
  public:
    race_of_many(boost::asio::any_io_executor executor, context_info& info, until u,
                 std::vector<awaitable<T>>& work)
        : race(std::move(executor), info, u), work_(work) {
        for (std::size_t i = 0; i < work.size(); ++i) {
            const boost::asio::any_io_executor own = lane();
            racers_.emplace_back(child::seat{this, &own});
        }
    }
    ~race_of_many() = default;

    any_of_many<T> first() {
        any_of_many<T> result{decide(), {}};
        result.values.reserve(racers_.size());
        for (auto& r : racers_) result.values.push_back(std::move(r.value));
        return result;
    }
    std::vector<value_of<T>> all() {
        decide();
        std::vector<value_of<T>> result;
        result.reserve(racers_.size());
        for (auto& r : racers_) result.push_back(r.take());
        return result;
    }

  private:
    void launch() override {
        for (std::size_t i = 0; i < racers_.size(); ++i)
            racers_[i].launch(std::move(work_[i]), begins_later());
    }
    std::size_t size() const noexcept override { return racers_.size(); }
    child& at(std::size_t i) noexcept override { return racers_[i]; }

    std::vector<awaitable<T>>& work_;
    std::deque<child_of<T>> racers_;
};

template <class... T>
awaitable<any_of<T...>> run_any(std::source_location where, awaitable<T>... work) {
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    race_of<T...> racers(std::move(executor), info, race::until::first_end, work...);
    {
        const wait_scope waiting(info, "when_any", where);
        suspend_into<family> op{&racers};
        co_await std::move(op);
    }
    co_return racers.first();
}

template <class... T>
awaitable<std::tuple<value_of<T>...>> run_all(std::source_location where, awaitable<T>... work) {
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    race_of<T...> racers(std::move(executor), info, race::until::first_failure, work...);
    {
        const wait_scope waiting(info, "when_all", where);
        suspend_into<family> op{&racers};
        co_await std::move(op);
    }
    co_return racers.all();
}

template <class T>
awaitable<any_of_many<T>> run_any(std::source_location where, std::vector<awaitable<T>> work) {
    if (work.empty())
        throw failure(failure_kind::invalid_input, "when_any of nothing never ends", where);
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    race_of_many<T> racers(std::move(executor), info, race::until::first_end, work);
    {
        const wait_scope waiting(info, "when_any", where);
        suspend_into<family> op{&racers};
        co_await std::move(op);
    }
    co_return racers.first();
}

template <class T>
awaitable<std::vector<value_of<T>>> run_all(std::source_location where,
                                            std::vector<awaitable<T>> work) {
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    race_of_many<T> racers(std::move(executor), info, race::until::first_failure, work);
    {
        const wait_scope waiting(info, "when_all", where);
        suspend_into<family> op{&racers};
        co_await std::move(op);
    }
    co_return racers.all();
}

using here = std::source_location;

}  // namespace detail

/// Runs all of them at once until the first ends; the others are then cancelled (terminal
/// cancellation) and joined.
///
///     auto [index, values] = co_await when_any(read_line(peer), stopping.wait());
///     if (index == 0) use(*std::get<0>(values));
///
/// Gives who was first, and the value of everybody who came to an end, the losers' too if they did
/// in spite of it. When the first to end did so by an exception, that is thrown; later exceptions
/// are dropped.
/// **Cancellation** of the caller is handed to all; then operation_aborted is thrown, unless one
/// had ended before: then its value is given, and the caller's next co_await throws. A caller that
/// is cancelled already throws at once, and nothing begins. The join is not interrupted.
/// **Threads.** On an executor that is not serial each runs on a strand of its own. Costs one child
/// coroutine each. (A location cannot follow a pack: five and more are named without theirs in a
/// deadlock report.)
template <class A, class B>
[[nodiscard]] awaitable<any_of<A, B>> when_any(
    awaitable<A> a, awaitable<B> b, std::source_location where = detail::here::current()) {
    return detail::run_any<A, B>(where, std::move(a), std::move(b));
}
template <class A, class B, class C>
[[nodiscard]] awaitable<any_of<A, B, C>> when_any(
    awaitable<A> a, awaitable<B> b, awaitable<C> c,
    std::source_location where = detail::here::current()) {
    return detail::run_any<A, B, C>(where, std::move(a), std::move(b), std::move(c));
}
template <class A, class B, class C, class D>
[[nodiscard]] awaitable<any_of<A, B, C, D>> when_any(
    awaitable<A> a, awaitable<B> b, awaitable<C> c, awaitable<D> d,
    std::source_location where = detail::here::current()) {
    return detail::run_any<A, B, C, D>(where, std::move(a), std::move(b), std::move(c),
                                       std::move(d));
}
template <class... T>
    requires(sizeof...(T) > 4)
[[nodiscard]] awaitable<any_of<T...>> when_any(awaitable<T>... work) {
    return detail::run_any<T...>(detail::here{}, std::move(work)...);
}
/// The same for a vector, which must not be empty (failure of kind invalid_input).
template <class T>
[[nodiscard]] awaitable<any_of_many<T>> when_any(
    std::vector<awaitable<T>> work, std::source_location where = detail::here::current()) {
    return detail::run_any<T>(where, std::move(work));
}

/// Runs all of them at once, and gives all their values; the first failure cancels the others, is
/// waited out, and thrown.
///
///     auto [user, cart] = co_await when_all(load_user(id), load_cart(id));
///
/// Cancellation, threads and cost are as for when_any: a cancelled caller gets operation_aborted,
/// or all values if all had come to their end before.
template <class A, class B>
[[nodiscard]] awaitable<std::tuple<value_of<A>, value_of<B>>> when_all(
    awaitable<A> a, awaitable<B> b, std::source_location where = detail::here::current()) {
    return detail::run_all<A, B>(where, std::move(a), std::move(b));
}
template <class A, class B, class C>
[[nodiscard]] awaitable<std::tuple<value_of<A>, value_of<B>, value_of<C>>> when_all(
    awaitable<A> a, awaitable<B> b, awaitable<C> c,
    std::source_location where = detail::here::current()) {
    return detail::run_all<A, B, C>(where, std::move(a), std::move(b), std::move(c));
}
template <class A, class B, class C, class D>
[[nodiscard]] awaitable<std::tuple<value_of<A>, value_of<B>, value_of<C>, value_of<D>>> when_all(
    awaitable<A> a, awaitable<B> b, awaitable<C> c, awaitable<D> d,
    std::source_location where = detail::here::current()) {
    return detail::run_all<A, B, C, D>(where, std::move(a), std::move(b), std::move(c),
                                       std::move(d));
}
template <class... T>
    requires(sizeof...(T) > 4)
[[nodiscard]] awaitable<std::tuple<value_of<T>...>> when_all(awaitable<T>... work) {
    return detail::run_all<T...>(detail::here{}, std::move(work)...);
}
/// The same for a vector; of nothing it gives nothing.
template <class T>
[[nodiscard]] awaitable<std::vector<value_of<T>>> when_all(
    std::vector<awaitable<T>> work, std::source_location where = detail::here::current()) {
    return detail::run_all<T>(where, std::move(work));
}

}  // namespace weft
