// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/interim.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/net/connect_request.hpp>

#include <exception>
#include <memory>
#include <string>
#include <string_view>

namespace weft::cli {

/// The fields of a head, one a line.
std::string fields_of(const http::headers& headers, std::string_view mark, std::string_view end);
/// "HTTP/1.1 200 OK".
std::string status_line(const http::response_head& head);

/// What `-v` tells on standard error while an exchange goes on, in the order in which it happens:
/// the addresses that were tried, the TLS session, the head that was sent, the heads that came; for
/// each hop of a redirect anew. A layer around the client's own transport.
class narrator : public pipeable {
  public:
    /// A connector that says which addresses it tried.
    [[nodiscard]] net::connector around(net::connector connect) const;

    template <class Next>
    awaitable<http::response> serve(http::request request, const Next& next) const {
        const std::string sent = head_of(request);
        const auto hints = std::make_shared<std::string>();
        request.extensions().insert(http::on_interim{
            [hints](const http::response_head& head) { *hints += head_lines(head); }});
        std::exception_ptr thrown;
        try {
            http::response r = co_await next(std::move(request));
            tell(sent, *hints, r);
            co_return r;
        } catch (...) {
            thrown = std::current_exception();
        }
        tell_failed(sent, failure::from(thrown));
        std::rethrow_exception(thrown);
    }

  private:
    [[nodiscard]] static std::string head_of(const http::request& r);
    static std::string head_lines(const http::response_head& head);
    void tell(std::string_view sent, std::string_view hints, const http::response& r) const;
    void tell_failed(std::string_view sent, const failure& f) const;

    struct state {
        bool connected = false;  ///< there is a connection whose session was not told yet
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

}  // namespace weft::cli
