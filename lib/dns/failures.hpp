// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/dns/answer.hpp>

#include <string>
#include <string_view>

namespace weft::dns::detail {

/// The failures of the table in dns/answer.hpp. `what` says who asked whom.

[[nodiscard]] failure about(failure f, std::string_view name);
[[nodiscard]] failure not_found(std::string_view name);
[[nodiscard]] failure no_address(std::string_view name, net::address_family family);
[[nodiscard]] failure server_failed(std::string_view name, std::string what);
[[nodiscard]] failure unanswered(std::string_view name, std::string what);
[[nodiscard]] failure refused(std::string_view name);
[[nodiscard]] failure unreadable(std::string_view name);
[[nodiscard]] failure no_name(std::string_view name);
[[nodiscard]] failure too_many(std::string_view name, std::string what);

}  // namespace weft::dns::detail
