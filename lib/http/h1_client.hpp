// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "h1_inbound.hpp"
#include "h1_pump.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <exception>
#include <functional>
#include <memory>

namespace weft::http::detail {

/// One HTTP/1 connection of a client: one exchange at a time. An exchange begins with exchange()
/// and is over when the response's body has been pulled to its end, or dropped.
class h1_client_connection final : public h1_pump {
  public:
    h1_client_connection(io::stream connection, const client_options& options);
    ~h1_client_connection() override = default;

    /// Sends the request, whose target and Host field are as they go on the wire, and gives the
    /// response. On the connection's executor, and only while the connection is idle. When it
    /// throws, the connection is closed, on_free was called, and the failure's delivery() is
    /// not_sent as long as no byte was.
    awaitable<response> exchange(request r);

    /// Whether the next exchange may begin: the connection is open, and nothing came in unasked.
    [[nodiscard]] bool idle();
    /// The same without asking the stream.
    [[nodiscard]] bool usable() const noexcept {
        return reusable_ && !input_end() && !output_end();
    }

    /// Called on the executor whenever an exchange is over, or an idle connection was closed.
    std::function<void(h1_client_connection&)> on_free;

    /// Closes when idle for so long.
    void start_idling();

  private:
    awaitable<response> run(request r);
    struct answer {
        response_head head;
        h1::traits traits;
    };
    awaitable<answer> wait_for_head(const request& r);
    awaitable<void> upload(http::body content, h1::framing framing);
    void start_upload(http::body content, h1::framing framing);
    void stop_upload();
    awaitable<void> wait_for_continue();
    awaitable<io::stream> leave_http();
    [[noreturn]] void fail(failure f);
    void released();
    void on_input() override;
    void on_limit() override;
    void on_abandoned() noexcept override;

    const client_options options_;
    h1::limits limits_;
    h1::response_decoder decoder_;
    h1_inbound inbound_;
    boost::asio::cancellation_signal upload_signal_;
    std::exception_ptr upload_failure_;
    bool busy_ = false;
    bool idling_ = false;
    bool reusable_ = true;
    bool uploading_ = false;
    bool upload_begun_ = false;
    bool upload_stopped_ = false;  // by stop_upload(): how it ends says nothing
    event continue_;               // 100 came, or need not come
};

}  // namespace weft::http::detail
