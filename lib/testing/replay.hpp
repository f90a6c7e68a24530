// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::testing::detail {

/// The command that runs this program again as it was called, with NAME=VALUE in the environment.
std::string replay_command(std::string_view name, std::string_view value);

/// The value of an environment variable that is set and not empty.
std::optional<std::string> environment(const char* name);

/// The same, when it is a number.
std::optional<std::uint64_t> number_from_environment(const char* name);

}  // namespace weft::testing::detail
