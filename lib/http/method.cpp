// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/method.hpp>
#include <weft/http/version.hpp>

#include <algorithm>
#include <array>
#include <ostream>
#include <span>
#include <string>

namespace weft::http {

namespace {

// Registered methods beside the numbered ones (IANA HTTP Method Registry), sorted.
constexpr std::array<std::string_view, 5> safe_others{"PRI", "PROPFIND", "QUERY", "REPORT",
                                                      "SEARCH"};
constexpr std::array<std::string_view, 25> idempotent_others{"ACL",
                                                             "BASELINE-CONTROL",
                                                             "BIND",
                                                             "CHECKIN",
                                                             "CHECKOUT",
                                                             "COPY",
                                                             "LABEL",
                                                             "LINK",
                                                             "MERGE",
                                                             "MKACTIVITY",
                                                             "MKCALENDAR",
                                                             "MKCOL",
                                                             "MKREDIRECTREF",
                                                             "MKWORKSPACE",
                                                             "MOVE",
                                                             "ORDERPATCH",
                                                             "PROPPATCH",
                                                             "REBIND",
                                                             "UNBIND",
                                                             "UNCHECKOUT",
                                                             "UNLINK",
                                                             "UNLOCK",
                                                             "UPDATE",
                                                             "UPDATEREDIRECTREF",
                                                             "VERSION-CONTROL"};

bool among(std::span<const std::string_view> set, std::string_view text) {
    return std::binary_search(set.begin(), set.end(), text);
}

}  // namespace

bool method::safe() const noexcept {
    switch (id()) {
        case known::get:
        case known::head:
        case known::options:
        case known::trace:
            return true;
        case known::other:
            return among(safe_others, text());
        default:
            return false;
    }
}

bool method::idempotent() const noexcept {
    switch (id()) {
        case known::put:
        case known::delete_:
            return true;
        case known::other:
            return among(safe_others, text()) || among(idempotent_others, text());
        default:
            return safe();
    }
}

void method::refuse(std::string_view token) {
    throw failure(
        failure_kind::invalid_input,
        token.size() > max_size
            ? "a method of " + std::to_string(token.size()) + " characters is too long (at most " +
                  std::to_string(max_size) + ")"
            : "a method must be a token (RFC 9110 9.1): it is empty, or has a character that "
              "no token has");
}

std::ostream& operator<<(std::ostream& out, const method& m) { return out << m.text(); }

std::ostream& operator<<(std::ostream& out, version v) { return out << to_string(v); }

}  // namespace weft::http
