// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <span>
#include <string>
#include <vector>

namespace weft::detail {

/// Names the functions that return addresses lie in, from the symbol tables of the program and its
/// libraries: "shop::checkout(cart) (shop+0x4f21)"; without a symbol "(shop+0x4f21)", which
/// addr2line turns into a line. Reads files: not for an event loop.
std::vector<std::string> describe_frames(std::span<void* const> return_addresses);

}  // namespace weft::detail
