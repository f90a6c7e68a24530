// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "watchdog_thread.hpp"
#include <weft/runtime/context.hpp>
#include <weft/runtime/detail/resume_mark.hpp>
#include <weft/runtime/watchdog.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

namespace weft::detail {

/// One loop under watch, shared by the watchdog, the handler it has posted, and the loop's context
/// (which says when it goes).
///
/// Three happenings move it: `look` (the watchdog's thread) posts a question or sees one without an
/// answer, `answered` (the loop) is that question being run, `context_gone` (whoever destroys it).
/// All under its mutex, which the loop meets once an interval.
class watched_loop : public std::enable_shared_from_this<watched_loop> {
  public:
    watched_loop(boost::asio::any_io_executor executor, std::string name,
                 std::source_location where, clock::duration threshold, clock::duration interval);

    /// Once, when it is shared.
    void begin();

    /// Something to tell. Owns its text, because it is told without the mutex.
    struct finding {
        bool over = false;
        clock::duration lasted{};
        std::optional<resume_mark::seen> resumed{};
        clock::duration resumed_ago{};
        std::int64_t thread = 0;
        std::optional<thread_facts> before{};  ///< when the loop was first late
        std::optional<thread_facts> facts{};
        std::vector<std::string> stack{};
    };
    /// Looks; what happened in between comes first (`over`), then what is happening.
    struct findings {
        std::optional<finding> over;
        std::optional<finding> standing;
    };
    findings look();
    /// What was found while it stood, to be told again when it is over.
    void remember(const finding& f);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::source_location where() const noexcept { return where_; }
    [[nodiscard]] watchdog::loop_state state() const;
    /// Whether its context is still there.
    [[nodiscard]] bool alive() const;
    /// The lateness since the last call.
    histogram take_period();
    /// No further question is posted.
    void end();

    void context_gone() noexcept;

  private:
    struct question;

    void ask(clock::time_point now);
    void answered();
    [[nodiscard]] bool stopped() const;
    [[nodiscard]] std::optional<resume_mark::seen> culprit() const;
    finding describe(clock::time_point now);

    const std::string name_;
    const std::source_location where_;
    const clock::duration threshold_;
    const clock::duration interval_;

    mutable std::mutex mutex_;
    boost::asio::any_io_executor executor_;  // empty: ended
    context_info* info_;                     // valid while executor_ is there
    resume_mark* mark_;
    bool alive_ = true;

    bool asked_ = false;     // a question is on its way
    bool runs_ = false;      // the loop has answered once: somebody runs it
    bool forgiven_ = false;  // the loop was stopped meanwhile: the answer says nothing
    clock::time_point asked_at_{};
    clock::duration report_at_;    // of standing
    std::optional<finding> told_;  // while it stands
    std::optional<finding> over_;  // not told yet
    std::optional<thread_facts> late_facts_;
    std::optional<resume_mark::seen> late_culprit_;
    std::int64_t thread_ = 0;       // that answered last
    std::uint32_t marks_seen_ = 0;  // when it answered last

    histogram lateness_;
    histogram period_;
    std::uint64_t stalls_ = 0;
    clock::duration stalled_{};
};

}  // namespace weft::detail
