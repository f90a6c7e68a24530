// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/file_descriptor.hpp>

#include <optional>
#include <string_view>

namespace weft::net::detail {

/// "systemd:NAME" or "fd:N".
bool is_inherited(std::string_view address) noexcept;

/// The descriptor that such an address names, taken over. Throws failure that quotes the address.
file_descriptor take_inherited(std::string_view address);

/// The descriptor of that name, if this process was given one and it was not taken before.
std::optional<file_descriptor> take_inherited_named(std::string_view name);

}  // namespace weft::net::detail
