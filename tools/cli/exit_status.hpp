// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>

#include <string>

namespace weft::cli {

/// curl's exit statuses, where one fits.
enum exit_status : int {
    ok = 0,
    failed = 1,
    bad_usage = 2,
    bad_url = 3,
    cannot_connect = 7,
    http_error = 22,
    write_error = 23,
    read_error = 26,
    timed_out = 28,
    handshake_failed = 35,
    too_many_redirects = 47,
    receive_error = 56,
    bad_certificate = 58,
    not_verified = 60,
    interrupted = 130
};

/// Of an exchange that failed.
int status_of(const failure& f);

/// Arguments that are wrong: one line, and a status.
struct usage_error {
    std::string why;
    int status = bad_usage;
};

}  // namespace weft::cli
