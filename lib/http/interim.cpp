// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "interim_port.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/interim.hpp>

#include <cstddef>
#include <utility>

namespace weft::http {

namespace {

constexpr std::size_t most_fields = 16 * 1024;  // in bytes: of hints

void check(const response_head& head) {
    const status s = head.status();
    if (!s.is_informational() || s == status::continue_ || s == status::switching_protocols)
        throw failure(failure_kind::invalid_input, "the status is none of an interim response")
            .with("status", s.code());
    std::size_t size = 0;
    for (const auto [name, value, id] : head.headers()) size += name.size() + value.size();
    if (size > most_fields)
        throw failure(failure_kind::invalid_input, "an interim response has too many fields")
            .with("bytes", static_cast<long long>(size));
}

}  // namespace

interim_sender::interim_sender(const request& r) : exchange_(r.exchange_) {
    // The connection first: what a proxy puts into the request's own is for the way on.
    if (const auto* link = r.extensions().ingress().get<detail::interim_link>())
        port_ = link->port;
    else if (const auto* own = r.extensions().get<on_interim>())
        call_ = own->call;
}

void interim_sender::send(response_head head) const {
    check(head);
    head.headers().erase(field::content_length);  // there is no content (RFC 9110 8.6)
    if (call_) return call_(head);
    if (auto port = port_.lock()) {
        detail::interim_port& p = *port;
        p.send_interim(std::move(port), exchange_, std::move(head));
    }
}

void send_interim(const request& r, response_head head) { interim_sender(r).send(std::move(head)); }

void detail::tell_interim(const request& r, const response_head& head) {
    if (head.status() == status::continue_) return;
    if (const auto* who = r.extensions().get<on_interim>(); who && who->call) who->call(head);
}

}  // namespace weft::http
