// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// One child under a time limit: what with_deadline and shielded share.

#include <weft/core/config.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/detail/children.hpp>
#include <weft/runtime/executor.hpp>

#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// A time limit as the user gave it, and as the wheel wants it.
struct limit {
    limit(clock::duration d, std::source_location w) noexcept
        : length(d), relative(true), where(w) {}
    limit(clock::time_point t, std::source_location w) noexcept
        : when(t), relative(false), where(w) {}

    /// Reads the clock: a duration becomes a point in
    /// time, a point in time a duration for the message.
    void resolve(context_info& info) noexcept;
    [[nodiscard]] bool passed() const noexcept { return length <= clock::duration::zero(); }
    /// The failure, because of what the work threw when it was stopped (null: nothing more than
    /// operation_aborted).
    [[nodiscard]] failure timed_out(std::exception_ptr cause) const;

    clock::duration length{};
    clock::time_point when{};
    bool relative;
    std::source_location where;
};

class limited_base : public family {
  public:
    limited_base(boost::asio::any_io_executor executor, context_info& info, const limit& l,
                 bool listens)
        : family(std::move(executor), info), limit_(l), listens_(listens) {}

  protected:
    ~limited_base() = default;
    void ended(child&) override {}
    bool listens() const noexcept override { return listens_; }

    const limit limit_;
    const bool listens_;
};

/// The child, whose own executor the limit's entry lives on.
template <class T>
class limited final : public limited_base {
  public:
    limited(boost::asio::any_io_executor executor, context_info& info, const limit& l, bool listens,
            awaitable<T>& work)
        : limited_base(executor, info, l, listens),
          own_executor_(info.serial() ? std::move(executor) : serialized(std::move(executor))),
          work_(work),
          child_(child::seat{this, &own_executor_}, *this) {}
    ~limited() = default;

    void cancel_all() override { child_.cancel(); }

    /// Whether the child has ended, one way or the other.
    [[nodiscard]] bool over() const noexcept { return child_.value.has_value() || child_.error; }

    /// After the join: the value, or throws.
    T take(bool caller_cancelled) {
        if (child_.error) {
            if (child_.struck && !caller_cancelled)
                throw limit_.timed_out(child_.aborted ? nullptr : child_.error);
            std::rethrow_exception(child_.error);
        }
        if constexpr (!std::is_void_v<T>) return std::move(*child_.value);
    }

  private:
    struct under_limit final : child_of<T> {
        under_limit(child::seat s, limited& o) : child_of<T>(s), of(o) {}

        struct alarm final : deadlines::entry {
            explicit alarm(under_limit& u)
                : entry(u.of.info().deadlines(), u.executor(), &alarm::strike), to(u) {}
            static void strike(entry& e) noexcept {
                under_limit& u = static_cast<alarm&>(e).to;
                u.struck = true;
                u.cancel();
            }
            under_limit& to;
        };

        void on_begin() override { entry.emplace(*this).arm_at(of.limit_.when); }
        void on_end() noexcept override { entry.reset(); }

        limited& of;
        bool struck = false;
        std::optional<alarm> entry;
    };

    void launch() override { child_.launch(std::move(work_), false); }

    boost::asio::any_io_executor own_executor_;
    awaitable<T>& work_;
    under_limit child_;
};

template <class T>
awaitable<void> store(awaitable<T> work, std::optional<T>& result) {
    T value = co_await std::move(work);
    result.emplace(std::move(value));
}

}  // namespace weft::detail
