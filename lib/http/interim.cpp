// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "interim_port.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/interim.hpp>

#include <boost/asio/dispatch.hpp>

#include <cstddef>
#include <utility>

namespace weft::http {

interim_sender::interim_sender(const request& r) : exchange_(r.exchange_) {
    if (exchange_ == 0) return;  // no handler's
    const auto* link = r.extensions().get<detail::interim_link>();
    if (!link) link = r.extensions().ingress().get<detail::interim_link>();
    if (link) port_ = link->port;
}

void interim_sender::send(response_head head) const {
    const status s = head.status();
    if (!s.is_informational() || s == status::continue_ || s == status::switching_protocols)
        throw failure(failure_kind::invalid_input, "the status is none of an interim response")
            .with("status", s.code());
    head.headers().erase(field::content_length);  // there is no content (RFC 9110 8.6)
    if (detail::field_cost(head.headers()) > detail::interim_port::room) return;
    if (auto port = port_.lock()) {
        detail::interim_port& p = *port;
        p.send_interim(std::move(port), exchange_, std::move(head));
    }
}

void send_interim(const request& r, response_head head) { interim_sender(r).send(std::move(head)); }

namespace detail {

std::size_t field_cost(const headers& fields) noexcept {
    constexpr std::size_t each = 32;
    std::size_t cost = 0;
    for (const auto [name, value, id] : fields) cost += name.size() + value.size() + each;
    return cost;
}

void direct_interim_port::listen_to(request& r) {
    number(r, 1);
    r.extensions().insert(interim_link{shared_from_this()});
}

void direct_interim_port::send_interim(std::shared_ptr<interim_port> self, std::uint32_t,
                                       response_head head) {
    boost::asio::dispatch(executor_, [this, self = std::move(self), h = std::move(head)] {
        if (over_) return;
        try {
            who_.call(h);
        } catch (...) {
            thrown_ = std::current_exception();
            over_ = true;
        }
    });
}

void direct_interim_port::end() {
    over_ = true;
    if (thrown_) std::rethrow_exception(thrown_);
}

void tell_interim(const request& r, const response_head& head) {
    if (head.status() == status::continue_) return;
    if (const auto* who = r.extensions().get<on_interim>(); who && who->call) who->call(head);
}

}  // namespace detail

}  // namespace weft::http
