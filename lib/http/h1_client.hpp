// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_pump.hpp"
#include "client_connection.hpp"
#include "h1_inbound.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <exception>
#include <memory>

namespace weft::http::detail {

/// One HTTP/1 connection of a client: one exchange at a time. An exchange begins with exchange()
/// and is over when the response's body has been pulled to its end, or dropped.
class h1_client_connection final : public byte_pump, public client_connection {
  public:
    h1_client_connection(io::stream connection, std::shared_ptr<const client_options> options);
    ~h1_client_connection() override = default;

    [[nodiscard]] boost::asio::any_io_executor get_executor() const override {
        return byte_pump::get_executor();
    }
    [[nodiscard]] http::version version() const noexcept override { return version::http_1_1; }
    awaitable<response> exchange(request* r) override;
    [[nodiscard]] std::size_t available() override { return idle() ? 1 : 0; }
    [[nodiscard]] bool is_ready() override;
    [[nodiscard]] std::size_t exchanges() const noexcept override { return busy_ ? 1 : 0; }
    [[nodiscard]] bool usable() const noexcept override {
        return reusable_ && !input_end() && !output_end();
    }
    void start_idling() override;
    void drain() override;
    void close() override { byte_pump::close(); }

  private:
    [[nodiscard]] bool idle() const noexcept {
        return !busy_ && reusable_ && !input_end() && !output_end() && in.empty();
    }
    struct answer {
        response_head head;
        h1::traits traits;
    };
    void check_may_begin(const request& r);
    void send(request& r);
    bool take_head(const request& r, answer& got);
    void check_waiting(bool cancelled, bool limited);
    response open(const request& r, answer got);
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

    const std::shared_ptr<const client_options> options_;
    h1::limits limits_;
    h1::response_decoder decoder_;
    h1_inbound inbound_;
    boost::asio::cancellation_signal upload_signal_;
    std::exception_ptr upload_failure_;
    bool looked_ = false;  // the stream was asked in this turn whether it has ended
    bool busy_ = false;
    bool idling_ = false;
    bool reusable_ = true;
    bool uploading_ = false;
    bool upload_begun_ = false;
    bool upload_stopped_ = false;  // by stop_upload(): how it ends says nothing
    event continue_;               // 100 came, or need not come
};

}  // namespace weft::http::detail
