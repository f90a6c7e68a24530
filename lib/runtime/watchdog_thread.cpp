// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "watchdog_thread.hpp"

#include "symbols.hpp"
#include <weft/core/failure.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

namespace weft::detail {

std::int64_t this_thread_number() noexcept { return ::syscall(SYS_gettid); }

namespace {

/// The beginning of a small file; empty when it cannot be read.
std::string contents_of(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::array<char, 512> buffer;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

/// Takes the number that `text` begins with, after spaces.
template <class Number>
std::optional<Number> take_number(std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    Number n{};
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return n;
}

}  // namespace

std::optional<thread_facts> facts_of(std::int64_t thread) {
    if (thread == 0) return std::nullopt;
    const std::string folder = fmt::format("/proc/self/task/{}/", thread);
    const std::string stat = contents_of(folder + "stat");
    // The name stands in parentheses and may hold some itself.
    const auto name_end = stat.rfind(')');
    if (name_end == stat.npos || name_end + 2 >= stat.size()) return std::nullopt;
    thread_facts f;
    f.state = stat[name_end + 2];
    f.seen_at = std::chrono::steady_clock::now().time_since_epoch();
    const std::string schedule = contents_of(folder + "schedstat");
    std::string_view numbers = schedule;
    if (const auto ran = take_number<std::int64_t>(numbers)) {
        f.ran = std::chrono::nanoseconds(*ran);
        if (const auto queued = take_number<std::int64_t>(numbers))
            f.queued = std::chrono::nanoseconds(*queued);
    }
    const std::string call = contents_of(folder + "syscall");
    std::string_view rest = call;
    if (const auto number = take_number<long>(rest)) f.system_call = *number;
    return f;
}

thread_activity activity_between(const std::optional<thread_facts>& before,
                                 const std::optional<thread_facts>& now) noexcept {
    if (!now) return thread_activity::unknown;
    if (!before || now->seen_at <= before->seen_at)
        return now->state == 'R' ? thread_activity::computes : thread_activity::waits;
    const auto span = now->seen_at - before->seen_at;
    const auto ran = now->ran - before->ran;
    const auto queued = now->queued - before->queued;
    if (queued >= ran && queued * 2 >= span) return thread_activity::starved;
    if ((ran + queued) * 2 >= span) return thread_activity::computes;
    return now->state == 'R' && ran == std::chrono::nanoseconds::zero() &&
                   now->ran == std::chrono::nanoseconds::zero()
               ? thread_activity::computes  // a system that keeps no such books
               : thread_activity::waits;
}

std::string name_of_system_call(long number) {
    if (number < 0) return {};
    // What an event loop should not wait in, and what it does wait in.
    static constexpr std::pair<long, const char*> names[] = {
        {SYS_read, "read"},
        {SYS_write, "write"},
        {SYS_readv, "readv"},
        {SYS_writev, "writev"},
        {SYS_pread64, "pread64"},
        {SYS_pwrite64, "pwrite64"},
        {SYS_openat, "openat"},
        {SYS_fsync, "fsync"},
        {SYS_fdatasync, "fdatasync"},
        {SYS_flock, "flock"},
        {SYS_sendfile, "sendfile"},
        {SYS_connect, "connect"},
        {SYS_accept, "accept"},
        {SYS_accept4, "accept4"},
        {SYS_recvfrom, "recvfrom"},
        {SYS_recvmsg, "recvmsg"},
        {SYS_sendto, "sendto"},
        {SYS_sendmsg, "sendmsg"},
        {SYS_ppoll, "ppoll"},
        {SYS_pselect6, "pselect6"},
        {SYS_epoll_pwait, "epoll_wait"},
        {SYS_futex, "futex"},
        {SYS_nanosleep, "nanosleep"},
        {SYS_clock_nanosleep, "clock_nanosleep"},
        {SYS_wait4, "wait4"},
        {SYS_waitid, "waitid"},
        {SYS_getrandom, "getrandom"},
        {SYS_munmap, "munmap"},
        {SYS_madvise, "madvise"},
#ifdef SYS_poll
        {SYS_poll, "poll"},
#endif
#ifdef SYS_select
        {SYS_select, "select"},
#endif
#ifdef SYS_open
        {SYS_open, "open"},
#endif
#ifdef SYS_epoll_wait
        {SYS_epoll_wait, "epoll_wait"},
#endif
    };
    for (const auto& [n, name] : names)
        if (n == number) return name;
    return fmt::format("system call {}", number);
}

// The stack ---------------------------------------------------------------------------------------

struct stack_taker::capture {
    static constexpr std::uint64_t right_mark = 0x77656674'73746b31;
    enum : int { asked, taking, taken };

    const std::uint64_t mark = right_mark;
    std::atomic<int> state{asked};
    std::size_t count = 0;
    std::array<void*, 48> frames{};
};

namespace {

_Unwind_Reason_Code add_frame(_Unwind_Context* context, void* argument) {
    auto& c = *static_cast<stack_taker::capture*>(argument);
    if (c.count == c.frames.size()) return _URC_END_OF_STACK;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address is what it gives
    c.frames[c.count++] = reinterpret_cast<void*>(_Unwind_GetIP(context));
    return _URC_NO_REASON;
}

/// On the thread that was asked, wherever it stood. As a profiler does: unwinding takes no lock and
/// no memory (it was done once before, so nothing is loaded here).
void on_signal(int, siginfo_t* info, void*) {
    if (info->si_code != SI_QUEUE || info->si_pid != ::getpid() || !info->si_value.sival_ptr)
        return;
    auto& c = *static_cast<stack_taker::capture*>(info->si_value.sival_ptr);
    if (c.mark != stack_taker::capture::right_mark) return;
    const int error = errno;
    int expected = stack_taker::capture::asked;
    if (c.state.compare_exchange_strong(expected, stack_taker::capture::taking)) {
        _Unwind_Backtrace(&add_frame, &c);
        c.state.store(stack_taker::capture::taken, std::memory_order_release);
    }
    errno = error;
}

}  // namespace

stack_taker::stack_taker(int signal) : signal_(signal), capture_(std::make_unique<capture>()) {
    struct sigaction ours{};
    ours.sa_sigaction = &on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    if (::sigaction(signal_, nullptr, &old_) != 0)
        throw failure(failure_kind::invalid_input, "weft: there is no such signal")
            .with("signal", signal_);
    if ((old_.sa_flags & SA_SIGINFO) != 0 ||
        (old_.sa_handler != SIG_DFL && old_.sa_handler != SIG_IGN))
        throw failure(failure_kind::invalid_input,
                      "weft: the watchdog's stack_signal has a handler already")
            .with("signal", signal_);
    // What unwinding loads, it loads now.
    capture warm;
    _Unwind_Backtrace(&add_frame, &warm);
    if (::sigaction(signal_, &ours, nullptr) != 0)
        throw failure(failure_kind::invalid_input, "weft: that signal cannot be handled")
            .with("signal", signal_);
}

stack_taker::~stack_taker() {
    // Ignoring a signal also drops those that are pending, which else would meet the default
    // action, and end the program.
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    sigemptyset(&ignore.sa_mask);
    ::sigaction(signal_, &ignore, nullptr);
    if (unanswered_.empty()) ::sigaction(signal_, &old_, nullptr);
    // A thread may be between having got the signal and looking at its value: what was not answered
    // is never freed. That is a few hundred bytes, and next to impossible.
    for (auto& c : unanswered_)
        if (c->state.load(std::memory_order_acquire) != capture::taken) (void)c.release();
}

std::vector<std::string> stack_taker::take(std::int64_t thread) {
    if (thread == 0 || thread == this_thread_number()) return {};
    capture_->count = 0;
    capture_->state.store(capture::asked,
                          std::memory_order_release);  // met by the handler's exchange
    siginfo_t info{};
    info.si_signo = signal_;
    info.si_code = SI_QUEUE;
    info.si_pid = ::getpid();
    info.si_uid = ::getuid();
    info.si_value.sival_ptr = capture_.get();
    if (::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), static_cast<pid_t>(thread), signal_, &info) !=
        0)
        return {};
    using namespace std::chrono_literals;
    for (int i = 0; i < 100; ++i) {
        if (capture_->state.load(std::memory_order_acquire) == capture::taken) {
            // The first frame is the handler, the second the system's way back from it.
            const std::size_t skip = std::min<std::size_t>(capture_->count, 2);
            return describe_frames(
                std::span(capture_->frames.data() + skip, capture_->count - skip));
        }
        std::this_thread::sleep_for(i < 20 ? 50us : 500us);
    }
    // It has the signal blocked, or does not get to run: the answer may still come.
    unanswered_.push_back(std::exchange(capture_, std::make_unique<capture>()));
    return {};
}

}  // namespace weft::detail
