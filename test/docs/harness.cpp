#include "harness.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace docs {

namespace {

/// Whether the process has a handler of its own for SIGTERM: then the program is up.
bool handles_sigterm(pid_t child) {
    std::ifstream status("/proc/" + std::to_string(child) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("SigCgt:", 0) == 0)
            return (std::strtoull(line.c_str() + 7, nullptr, 16) >> (SIGTERM - 1)) & 1;
    }
    return false;
}

}  // namespace

void run_program(int (*program)()) {
    std::cout.flush();
    std::fflush(nullptr);  // or the child would print it again
    // Doctest's handlers would count as the program's: away before there is a child to look at.
    const auto on_term = ::signal(SIGTERM, SIG_DFL);
    const auto on_int = ::signal(SIGINT, SIG_DFL);
    const pid_t child = ::fork();
    if (child != 0) {
        ::signal(SIGTERM, on_term);
        ::signal(SIGINT, on_int);
    }
    REQUIRE(child >= 0);
    if (child == 0) {
        int status = 125;
        try {
            status = program();
        } catch (...) {
            status = 124;
        }
        std::fflush(nullptr);
        ::_exit(status);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    bool told = false;
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        // Waits for what another process does: there is no event for a handler that it installs.
        ::poll(nullptr, 0, 5);
        if (!told && handles_sigterm(child)) {
            ::kill(child, SIGTERM);
            told = true;
        }
        if (std::chrono::steady_clock::now() > end) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            FAIL("the program did not end within 60 s");
        }
    }
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace docs
