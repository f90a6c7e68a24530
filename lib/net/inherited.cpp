// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "inherited.hpp"

#include <weft/core/failure.hpp>
#include <weft/net/inherited.hpp>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace weft::net {

namespace {

constexpr int first_given = 3;     // SD_LISTEN_FDS_START
constexpr int most_given = 65536;  // a number that makes sense

std::optional<long> number(std::string_view text) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::optional<long> variable(const char* name) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody writes it
    if (!text || !*text) return std::nullopt;
    const auto value = number(text);
    if (!value)
        throw failure(failure_kind::invalid_input,
                      std::string(name).append("=").append(text).append(" is no number"))
            .with("variable", name);
    return value;
}

struct given {
    std::string name;
    int fd;
};

/// What the environment says, whether it was taken already or not.
std::vector<given> all_given() {
    std::vector<given> all;
    const auto pid = variable("LISTEN_PID");
    const auto count = variable("LISTEN_FDS");
    if (!pid || !count || *pid != ::getpid()) return all;
    if (*count < 0 || *count > most_given)
        throw failure(failure_kind::invalid_input,
                      "LISTEN_FDS=" + std::to_string(*count) + " makes no sense")
            .with("variable", "LISTEN_FDS");
    const char* text = std::getenv("LISTEN_FDNAMES");  // NOLINT(concurrency-mt-unsafe)
    std::string_view names = text ? text : "";
    for (int i = 0; i < *count; ++i) {
        const std::size_t colon = names.find(':');
        const std::string_view name = names.substr(0, colon);
        all.push_back({name.empty() ? "unknown" : std::string(name), first_given + i});
        names = colon == std::string_view::npos ? std::string_view() : names.substr(colon + 1);
    }
    return all;
}

/// Ours from now on; none when it is closed, or was taken before (then it has the mark, or its
/// number was used again for something of this process, which has it too).
file_descriptor take(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) return {};
    ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    return file_descriptor(fd);
}

[[noreturn]] void refuse(std::string_view address, const std::string& why) {
    throw failure(failure_kind::invalid_input,
                  std::string("\"").append(address).append("\" cannot be listened on: ") + why)
        .with("address", address);
}

constexpr std::string_view by_name = "systemd:";
constexpr std::string_view by_number = "fd:";

}  // namespace

std::vector<inherited_descriptor> take_inherited() {
    std::vector<inherited_descriptor> taken;
    for (given& g : all_given())
        if (file_descriptor d = take(g.fd)) taken.push_back({std::move(g.name), std::move(d)});
    return taken;
}

namespace detail {

bool is_inherited(std::string_view address) noexcept {
    return address.starts_with(by_name) || address.starts_with(by_number);
}

std::optional<file_descriptor> take_inherited_named(std::string_view name) {
    for (const given& g : all_given()) {
        if (g.name != name) continue;
        if (file_descriptor d = take(g.fd)) return d;
    }
    return std::nullopt;
}

file_descriptor take_inherited(std::string_view address) {
    int fd = -1;
    if (address.starts_with(by_number)) {
        const auto n = number(address.substr(by_number.size()));
        if (!n || *n < first_given || *n > most_given)
            refuse(address, "expected fd:N, N from 3 on");
        fd = static_cast<int>(*n);
    } else {
        const std::string_view name = address.substr(by_name.size());
        const auto all = all_given();
        if (all.empty()) refuse(address, "this process was given no sockets (LISTEN_FDS)");
        std::string names;
        int found = 0;
        for (const given& g : all) {
            names.append(names.empty() ? "" : ", ").append(g.name);
            if (!name.empty() && g.name != name) continue;
            if (found++ == 0) fd = g.fd;
        }
        if (found == 0) refuse(address, "this process was given " + names);
        if (found > 1) refuse(address, "more than one socket fits; given were " + names);
    }
    file_descriptor taken = take(fd);
    if (!taken)
        refuse(address, "descriptor " + std::to_string(fd) + " is closed, or was taken before");
    return taken;
}

}  // namespace detail

}  // namespace weft::net
