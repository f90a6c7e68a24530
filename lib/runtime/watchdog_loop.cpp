// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "watchdog_loop.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace weft::detail {

namespace asio = boost::asio;

namespace {

asio::execution_context& context_of(const asio::any_io_executor& executor) {
    return static_cast<asio::execution_context&>(asio::query(executor, asio::execution::context));
}

/// Tells the loops under watch that their context goes away.
class watch_service final : public asio::execution_context::service {
  public:
    using key_type = watch_service;
    static asio::execution_context::id id;

    explicit watch_service(asio::execution_context& context) : service(context) {}

    void add(const std::shared_ptr<watched_loop>& loop) {
        const std::lock_guard lock(mutex_);
        std::erase_if(loops_, [](const auto& weak) { return weak.expired(); });
        loops_.push_back(loop);
    }

  private:
    void shutdown() override {
        std::vector<std::weak_ptr<watched_loop>> loops;
        {
            const std::lock_guard lock(mutex_);
            loops.swap(loops_);
        }
        for (const auto& weak : loops)
            if (const auto loop = weak.lock()) loop->context_gone();
    }

    std::mutex mutex_;
    std::vector<std::weak_ptr<watched_loop>> loops_;
};

asio::execution_context::id watch_service::id;

}  // namespace

/// The handler that is posted.
struct watched_loop::question {
    explicit question(std::shared_ptr<watched_loop> l) noexcept : loop(std::move(l)) {}
    void operator()() { std::exchange(loop, nullptr)->answered(); }
    std::shared_ptr<watched_loop> loop;
};

watched_loop::watched_loop(asio::any_io_executor executor, std::string name,
                           std::source_location where, clock::duration threshold,
                           clock::duration interval)
    : name_(std::move(name)),
      where_(where),
      threshold_(threshold),
      interval_(interval),
      executor_(std::move(executor)),
      info_(&context_info::of(executor_)),
      mark_(&info_->keep_mark()),
      report_at_(threshold) {}

void watched_loop::begin() {
    asio::use_service<watch_service>(context_of(executor_)).add(shared_from_this());
}

void watched_loop::context_gone() noexcept {
    const std::lock_guard lock(mutex_);
    alive_ = false;
    asked_ = false;
    executor_ = {};
}

void watched_loop::end() {
    const std::lock_guard lock(mutex_);
    executor_ = {};
}

/// Whether nobody runs the loop on purpose: run() has returned, or was stopped.
bool watched_loop::stopped() const {
    // The scheduler that io_context and thread_pool share; an executor's own type (strands,
    // tracked ones, ...) does not matter here.
    using scheduler = asio::detail::io_context_impl;
    auto& context = context_of(executor_);
    return asio::has_service<scheduler>(context) && asio::use_service<scheduler>(context).stopped();
}

void watched_loop::ask(clock::time_point now) {
    asked_at_ = now;
    report_at_ = threshold_;
    told_.reset();
    late_facts_.reset();
    late_culprit_.reset();
    try {
        asio::post(executor_, question(shared_from_this()));
        asked_ = true;
    } catch (...) {
        // No memory for it: asked again next time.
    }
}

void watched_loop::answered() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(asked_, false) || !executor_) return;
    if (runs_ && !forgiven_) {
        const clock::time_point now = info_->clock().now();
        const clock::duration late = std::max(now - asked_at_, clock::duration::zero());
        lateness_.record_stall(late, interval_);
        period_.record_stall(late, interval_);
        if (late >= threshold_) {
            ++stalls_;
            stalled_ += late;
            over_ = told_ ? std::move(*told_) : finding{};
            if (!told_) {
                over_->thread = thread_;
                over_->resumed = late_culprit_;
                if (late_culprit_)
                    over_->resumed_ago =
                        now - clock::time_point(
                                  std::chrono::duration_cast<clock::duration>(late_culprit_->at));
            }
            over_->over = true;
            over_->lasted = late;
        }
    }
    runs_ = true;
    forgiven_ = false;
    told_.reset();
    if (!info_->virtual_time()) thread_ = this_thread_number();
    marks_seen_ = mark_->number();
}

/// The last that weft set going, unless the loop has answered since.
std::optional<resume_mark::seen> watched_loop::culprit() const {
    auto last = mark_->read();
    if (last && last->number == marks_seen_) last.reset();
    return last;
}

watched_loop::finding watched_loop::describe(clock::time_point now) {
    finding f;
    f.lasted = now - asked_at_;
    f.resumed = culprit();
    if (f.resumed)
        f.resumed_ago = std::max(
            now - clock::time_point(std::chrono::duration_cast<clock::duration>(f.resumed->at)),
            clock::duration::zero());
    f.thread = thread_;
    f.before = late_facts_;
    return f;
}

watched_loop::findings watched_loop::look() {
    const std::lock_guard lock(mutex_);
    findings found;
    found.over = std::exchange(over_, std::nullopt);
    if (!executor_) return found;
    const clock::time_point now = info_->clock().now();
    if (!asked_) {
        forgiven_ = false;
        if (!stopped()) ask(now);
        return found;
    }
    if (!runs_) return found;
    if (stopped()) {
        forgiven_ = true;
        return found;
    }
    if (forgiven_) {
        // It is being run again: what it has to do first counts from here.
        forgiven_ = false;
        asked_at_ = now;
        return found;
    }
    const clock::duration standing = now - asked_at_;
    if (standing * 2 >= threshold_) {
        // A stall may end before the next look: what is known is kept.
        if (!late_facts_ && !info_->virtual_time()) late_facts_ = facts_of(thread_);
        if (!late_culprit_) late_culprit_ = culprit();
    }
    if (standing >= report_at_) {
        while (report_at_ <= standing) report_at_ *= 10;
        found.standing = describe(now);
    }
    return found;
}

void watched_loop::remember(const finding& f) {
    const std::lock_guard lock(mutex_);
    if (asked_)
        told_ = f;
    else if (over_ && over_->stack.empty()) {
        // It went on while its stack was being read.
        const clock::duration lasted = over_->lasted;
        over_ = f;
        over_->over = true;
        over_->lasted = lasted;
    }
}

watchdog::loop_state watched_loop::state() const {
    const std::lock_guard lock(mutex_);
    watchdog::loop_state s;
    s.name = name_;
    s.alive = alive_;
    s.lateness = lateness_;
    s.stalls = stalls_;
    s.stalled = stalled_;
    if (executor_ && asked_ && runs_ && !forgiven_ && !stopped()) {
        const clock::duration standing = info_->clock().now() - asked_at_;
        if (standing >= threshold_) s.standing = standing;
    }
    return s;
}

bool watched_loop::alive() const {
    const std::lock_guard lock(mutex_);
    return alive_;
}

histogram watched_loop::take_period() {
    const std::lock_guard lock(mutex_);
    histogram period = period_;
    period_.clear();
    return period;
}

}  // namespace weft::detail
