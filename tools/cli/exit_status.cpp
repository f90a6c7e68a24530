// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "exit_status.hpp"

namespace weft::cli {

int status_of(const failure& f) {
    switch (f.kind()) {
        case failure_kind::timeout:
            return timed_out;
        case failure_kind::invalid_input:
            return bad_url;
        case failure_kind::unavailable:
            return f.delivered() == delivery::not_sent ? cannot_connect : receive_error;
        case failure_kind::authentication:
            return not_verified;
        case failure_kind::rejected:
            return too_many_redirects;
        case failure_kind::protocol:
            return f.delivered() == delivery::not_sent ? handshake_failed : receive_error;
        case failure_kind::cancelled:
            return interrupted;
        default:
            return failed;
    }
}

}  // namespace weft::cli
