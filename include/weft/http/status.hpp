// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace weft::http {

/// A status code: a number from 100 to 999 that compares with plain integers.
///
///     CHECK(res.status() == 503);
///     if (res.status().is_redirect()) ...
///     res.set_status(http::status::not_found);
class status {
  public:
    /// 200.
    constexpr status() noexcept = default;
    /// Throws failure(invalid_input) unless 100 <= code <= 999.
    // NOLINTNEXTLINE(google-explicit-constructor): a status is a number with a name
    constexpr status(int code) : code_(static_cast<std::uint16_t>(code)) {
        if (code < 100 || code > 999) refuse(code);
    }

    [[nodiscard]] constexpr int code() const noexcept { return code_; }
    /// The phrase that RFC 9110 and the registry give the code ("Not Found"), or "" for an
    /// unregistered one.
    [[nodiscard]] std::string_view reason() const noexcept;

    [[nodiscard]] constexpr bool is_informational() const noexcept { return code_ < 200; }
    [[nodiscard]] constexpr bool is_success() const noexcept { return code_ >= 200 && code_ < 300; }
    [[nodiscard]] constexpr bool is_redirect() const noexcept {
        return code_ >= 300 && code_ < 400;
    }
    [[nodiscard]] constexpr bool is_client_error() const noexcept {
        return code_ >= 400 && code_ < 500;
    }
    /// 5xx, and what lies above, which a client treats the same (RFC 9110 15).
    [[nodiscard]] constexpr bool is_server_error() const noexcept { return code_ >= 500; }
    [[nodiscard]] constexpr bool is_error() const noexcept { return code_ >= 400; }
    /// Whether a response with this code never has content: 1xx, 204 and 304 (RFC 9112 6.3).
    [[nodiscard]] constexpr bool forbids_content() const noexcept {
        return code_ < 200 || code_ == 204 || code_ == 304;
    }

    friend constexpr bool operator==(status, status) noexcept = default;
    friend constexpr auto operator<=>(status, status) noexcept = default;
    friend constexpr bool operator==(status a, int b) noexcept { return a.code_ == b; }
    friend constexpr auto operator<=>(status a, int b) noexcept {
        return static_cast<int>(a.code_) <=> b;
    }
    /// Prints "404".
    friend std::ostream& operator<<(std::ostream&, status);

    static const status continue_, switching_protocols, early_hints, ok, created, accepted,
        no_content, reset_content, partial_content, multiple_choices, moved_permanently, found,
        see_other, not_modified, temporary_redirect, permanent_redirect, bad_request, unauthorized,
        payment_required, forbidden, not_found, method_not_allowed, not_acceptable,
        proxy_authentication_required, request_timeout, conflict, gone, length_required,
        precondition_failed, content_too_large, uri_too_long, unsupported_media_type,
        range_not_satisfiable, expectation_failed, misdirected_request, unprocessable_content,
        too_early, upgrade_required, precondition_required, too_many_requests,
        request_header_fields_too_large, internal_server_error, not_implemented, bad_gateway,
        service_unavailable, gateway_timeout, http_version_not_supported;

  private:
    [[noreturn]] static void refuse(int code);

    std::uint16_t code_ = 200;
};

inline constexpr status status::continue_{100};
inline constexpr status status::switching_protocols{101};
inline constexpr status status::early_hints{103};
inline constexpr status status::ok{200};
inline constexpr status status::created{201};
inline constexpr status status::accepted{202};
inline constexpr status status::no_content{204};
inline constexpr status status::reset_content{205};
inline constexpr status status::partial_content{206};
inline constexpr status status::multiple_choices{300};
inline constexpr status status::moved_permanently{301};
inline constexpr status status::found{302};
inline constexpr status status::see_other{303};
inline constexpr status status::not_modified{304};
inline constexpr status status::temporary_redirect{307};
inline constexpr status status::permanent_redirect{308};
inline constexpr status status::bad_request{400};
inline constexpr status status::unauthorized{401};
inline constexpr status status::payment_required{402};
inline constexpr status status::forbidden{403};
inline constexpr status status::not_found{404};
inline constexpr status status::method_not_allowed{405};
inline constexpr status status::not_acceptable{406};
inline constexpr status status::proxy_authentication_required{407};
inline constexpr status status::request_timeout{408};
inline constexpr status status::conflict{409};
inline constexpr status status::gone{410};
inline constexpr status status::length_required{411};
inline constexpr status status::precondition_failed{412};
inline constexpr status status::content_too_large{413};
inline constexpr status status::uri_too_long{414};
inline constexpr status status::unsupported_media_type{415};
inline constexpr status status::range_not_satisfiable{416};
inline constexpr status status::expectation_failed{417};
inline constexpr status status::misdirected_request{421};
inline constexpr status status::unprocessable_content{422};
inline constexpr status status::too_early{425};
inline constexpr status status::upgrade_required{426};
inline constexpr status status::precondition_required{428};
inline constexpr status status::too_many_requests{429};
inline constexpr status status::request_header_fields_too_large{431};
inline constexpr status status::internal_server_error{500};
inline constexpr status status::not_implemented{501};
inline constexpr status status::bad_gateway{502};
inline constexpr status status::service_unavailable{503};
inline constexpr status status::gateway_timeout{504};
inline constexpr status status::http_version_not_supported{505};

}  // namespace weft::http
