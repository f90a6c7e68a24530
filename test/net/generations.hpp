// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Processes that follow one another on the same listening socket, for tests of a restart.

#include <weft/core/awaitable.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/file_descriptor.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/runtime.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

/// One process, forked at once and held back until `go`. Make all of them before the test opens
/// anything, or they hold the test's own sockets open.
class generation {
  public:
    /// What it does once it may: `report` sends a number (a port) to the test. Its end is the
    /// process's.
    using program = std::function<weft::awaitable<void>(std::function<void(std::uint16_t)> report)>;

    /// On one core, or on a weft::runtime with so many threads.
    explicit generation(const program& run, unsigned threads = 1) {
        std::array<int, 2> start{};
        std::array<int, 2> told{};
        if (::pipe2(start.data(), O_CLOEXEC) != 0 || ::pipe2(told.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("pipe");
        pid_ = ::fork();
        if (pid_ < 0) throw std::runtime_error("fork");
        if (pid_ == 0) {
            ::close(start[1]);
            ::close(told[0]);
            char c = 0;
            if (::read(start[0], &c, 1) != 1) ::_exit(0);  // the test is over
            auto main = run([out = told[1]](std::uint16_t n) {
                if (::write(out, &n, sizeof n) != sizeof n) ::_exit(3);
            });
            int status = 0;
            if (threads == 1) {
                status = weft::run(std::move(main));
            } else {
                weft::runtime cores{{.threads = threads}};
                status = cores.run(std::move(main));
            }
            ::_exit(status);
        }
        ::close(start[0]);
        ::close(told[1]);
        start_ = weft::net::file_descriptor(start[1]);
        told_ = weft::net::file_descriptor(told[0]);
    }
    generation(const generation&) = delete;
    generation& operator=(const generation&) = delete;
    ~generation() {
        start_.reset();
        if (status_ < 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
    }

    void go() const {
        if (::write(start_.get(), "g", 1) != 1) throw std::runtime_error("go");
    }
    /// Waits for what it reports; 0 when it ended before.
    std::uint16_t reported() {
        std::uint16_t n = 0;
        return ::read(told_.get(), &n, sizeof n) == sizeof n ? n : std::uint16_t{0};
    }
    /// The end of its life makes this readable (end of file), once all it reported was read.
    [[nodiscard]] int life() const noexcept { return told_.get(); }
    [[nodiscard]] bool has_something_to_say() const noexcept {
        pollfd p{told_.get(), POLLIN, 0};
        return ::poll(&p, 1, 0) > 0;
    }
    void terminate() const noexcept { ::kill(pid_, SIGTERM); }
    /// Waits for its end: its exit status, or 128 and the signal's number.
    int wait() {
        if (status_ >= 0) return status_;
        int s = 0;
        while (::waitpid(pid_, &s, 0) < 0 && errno == EINTR) {
        }
        status_ = WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
        return status_;
    }

  private:
    pid_t pid_ = -1;
    int status_ = -1;
    weft::net::file_descriptor start_;
    weft::net::file_descriptor told_;
};
