// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/head.hpp>

#include <cstdint>
#include <functional>
#include <memory>

namespace weft::http {

class request;
namespace detail {
class interim_port;
}

/// Sends interim responses (1xx, RFC 9110 15.2) to who has made `r`, ahead of the answer to it: the
/// links that a page will need, while it is still being made (103, RFC 8297), or word that it takes
/// its time (102).
///
///     http::response_head hints(http::status::early_hints);
///     hints.headers().add("Link", "</style.css>; rel=preload; as=style");
///     http::send_interim(request, hints);
///
/// They are hints, and nobody waits for them: nothing is sent once the answer has begun or the
/// client has gone, to a client of HTTP/1.0, which knows none, to one that does not read, and
/// nothing with more than 16 KiB of fields (each counts 32 bytes more, as in HTTP/2). What is sent
/// leaves in the same turn of the loop, in order. 100 and 101 are not for this: a body that is
/// pulled asks for itself, and response::on_upgrade switches protocols.
///
/// Without a connection, as in http::client{app}, they go to the request's on_interim. From any
/// thread. Throws failure(invalid_input) for another status.
void send_interim(const request& r, response_head head);

/// The same for when the request is gone: a proxy keeps one when it sends the request on.
///
///     auto proxy = [](http::request r) -> awaitable<http::response> {
///         http::interim_sender back(r);
///         r.extensions().insert(
///             http::on_interim{[back](const http::response_head& head) { back.send(head); }});
///         co_return co_await app.serve(std::move(r));  // on the way
///     };
class interim_sender {
  public:
    explicit interim_sender(const request& r);

    /// As send_interim.
    void send(response_head head) const;

  private:
    std::weak_ptr<detail::interim_port> port_;
    std::uint32_t exchange_;
};

/// In the extensions of a client's request: called with each interim response that comes before the
/// answer, in order, but for 100 and 101. It is called on the connection's executor; what it throws
/// ends the exchange.
///
///     auto page = co_await client.get(url)
///                     .extension(http::on_interim{[](const http::response_head& head) {
///                         fmt::print("{}\n", head.headers().get("Link").value_or("none"));
///                     }})
///                     .send();
struct on_interim {
    std::function<void(const response_head&)> call;
};

}  // namespace weft::http
