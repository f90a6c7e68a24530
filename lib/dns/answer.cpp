// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "failures.hpp"

#include <boost/asio/error.hpp>

#include <utility>

namespace weft::dns {

namespace asio = boost::asio;

bool is_missing(const failure& f) noexcept {
    return f.code() == asio::error::host_not_found || f.code() == asio::error::no_data;
}

namespace detail {

failure about(failure f, std::string_view name) {
    return std::move(f)
        .with("host", name)
        .in(failure_domain::transport)
        .delivered(delivery::not_sent);
}

failure not_found(std::string_view name) {
    return about(
        failure(failure_kind::unavailable, asio::error::host_not_found, "there is no such host"),
        name);
}

failure no_address(std::string_view name, net::address_family family) {
    std::string text = "the host has no ";
    if (family != net::address_family::any) (text += net::to_string(family)) += ' ';
    text += "address";
    return about(failure(failure_kind::unavailable, asio::error::no_data, std::move(text)), name);
}

failure server_failed(std::string_view name, std::string what) {
    return about(
        failure(failure_kind::unavailable, asio::error::host_not_found_try_again, std::move(what)),
        name);
}

failure unanswered(std::string_view name, std::string what) {
    return about(failure(failure_kind::timeout, asio::error::timed_out, std::move(what)), name);
}

failure refused(std::string_view name) {
    return about(failure(failure_kind::rejected, asio::error::no_recovery,
                         "the name server refused to answer"),
                 name);
}

failure unreadable(std::string_view name) {
    return about(failure(failure_kind::protocol, asio::error::no_recovery,
                         "the name server's answer could not be read"),
                 name);
}

failure no_name(std::string_view name) {
    return about(failure(failure_kind::invalid_input, asio::error::invalid_argument,
                         "this cannot be the name of a host"),
                 name);
}

failure too_many(std::string_view name, std::string what) {
    return about(failure(failure_kind::exhausted, asio::error::no_memory, std::move(what)), name);
}

}  // namespace detail
}  // namespace weft::dns
