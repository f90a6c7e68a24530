// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "replay.hpp"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace weft::testing::detail {

namespace {

/// As a shell takes it for one word.
std::string quoted(std::string_view word) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos)
        return std::string(word);
    std::string text = "'";
    for (const char c : word)
        if (c == '\'')
            text += "'\\''";
        else
            text += c;
    return text + "'";
}

}  // namespace

std::string replay_command(std::string_view name, std::string_view value) {
    std::string command = std::string(name) + "=" + quoted(value);
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (std::string_view rest = line; !rest.empty();) {
        const auto end = rest.find('\0');
        command += " " + quoted(rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return command;
}

std::optional<std::string> environment(const char* name) {
    const char* const value = std::getenv(name);
    if (!value || !*value) return std::nullopt;
    return value;
}

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const auto text = environment(name);
    if (!text) return std::nullopt;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
    return number;
}

}  // namespace weft::testing::detail
