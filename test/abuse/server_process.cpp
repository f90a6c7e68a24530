// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "server_process.hpp"

#include <weft/core/bytes.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/serve.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/runtime/watchdog.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace abuse {

using namespace weft;

namespace {

awaitable<http::response> app(http::request r) {
    if (r.path() == "/large") {
        auto make = [left = std::size_t{64} * 1024 * 1024,
                     block = bytes(std::string(64 * 1024,
                                               'x'))]() mutable -> awaitable<std::optional<bytes>> {
            if (left == 0) co_return std::nullopt;
            left -= block.size();
            co_return block;
        };
        co_return http::response(200, http::body::pull(make, std::size_t{64} * 1024 * 1024));
    }
    if (r.path() == "/upload") {
        std::size_t total = 0;
        while (std::optional<bytes> chunk = co_await r.body().next()) total += chunk->size();
        co_return http::text(std::to_string(total));
    }
    co_return http::text("Hello, World!");
}

[[noreturn]] void serve(const server_process::options& o, int port_to) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (o.descriptors != 0) {
        const rlimit limit{o.descriptors, o.descriptors};
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    http::serve_options serving;
    serving.http = o.http;
    serving.max_connections = o.max_connections;
    serving.drain = std::chrono::seconds(1);
    serving.on_listening = [port_to](const net::endpoint& at) {
        const auto port = at.port();
        if (::write(port_to, &port, sizeof port) != sizeof port) std::_Exit(3);
        ::close(port_to);
    };
    if (o.apart) {
        cpu_set_t first;
        CPU_ZERO(&first);
        CPU_SET(0, &first);
        sched_param priority{};
        priority.sched_priority = 1;
        if (::sched_setaffinity(0, sizeof first, &first) != 0 ||
            ::sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
            fmt::print("  the server shares its processor with whatever else runs here\n");
        std::fflush(stdout);
    }
    weft::runtime one{{.threads = 1}};
    std::optional<watchdog> dog;
    if (o.watchdog) {
        watchdog_options watching;
        watching.threshold = std::chrono::milliseconds(20);
        watching.interval = std::chrono::milliseconds(2);
        watching.stack_signal = SIGRTMIN + 1;
        watching.on_stall = [](const stall& s) { fmt::print(stderr, "  {}\n", to_string(s)); };
        dog.emplace(watching);
        dog->watch(one);
    }
    const int status = one.run(http::serve("127.0.0.1:0", app, std::move(serving)));
    if (dog) {
        const histogram late = dog->loops().front().lateness;
        fmt::print(stderr,
                   "  the server's loop was late by {} us (p50), {} us (p99), {} us at most\n",
                   late.percentile(0.5).count() / 1000, late.percentile(0.99).count() / 1000,
                   late.max().count() / 1000);
    }
    std::_Exit(status);
}

}  // namespace

server_process::server_process(const options& o) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::system_error(errno, std::system_category(), "pipe");
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (pid_ == 0) {
        ::close(ends[0]);
        serve(o, ends[1]);
    }
    ::close(ends[1]);
    if (::read(ends[0], &port_, sizeof port_) != sizeof port_) {
        ::close(ends[0]);
        stop();
        throw std::runtime_error("the server did not come up");
    }
    ::close(ends[0]);
}

server_process::~server_process() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

std::size_t server_process::resident() const {
    std::ifstream f(fmt::format("/proc/{}/statm", pid_));
    std::size_t all = 0;
    std::size_t resident = 0;
    f >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t server_process::descriptors() const {
    std::size_t n = 0;
    std::error_code ec;
    for (auto i = std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid_), ec);
         !ec && i != std::filesystem::directory_iterator(); i.increment(ec))
        ++n;
    return n;
}

double server_process::processor_seconds() const {
    std::ifstream f(fmt::format("/proc/{}/stat", pid_));
    std::string text((std::istreambuf_iterator<char>(f)), {});
    text.erase(0, text.rfind(')') + 2);
    // After the name: state and ten numbers, then user and system time.
    unsigned long user = 0;
    unsigned long system = 0;
    if (std::sscanf(text.c_str(), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                    &system) != 2)
        return 0;
    return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

int server_process::stop() {
    if (pid_ <= 0) return 0;
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace abuse
