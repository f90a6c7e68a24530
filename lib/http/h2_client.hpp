// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "client_connection.hpp"
#include "h2_connection.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>

#include <cstddef>
#include <memory>
#include <optional>

namespace weft::http::detail {

/// One HTTP/2 connection of a client: many exchanges at once, as many as the server allows. An
/// exchange begins with exchange() and is over when the response's body has been pulled to its end,
/// or dropped.
class h2_client_connection final : public h2_connection, public client_connection {
  public:
    h2_client_connection(io::stream connection, const client_options& options);
    ~h2_client_connection() override = default;

    /// Says hello. Once, before the first exchange.
    void begin() { turn(); }

    [[nodiscard]] boost::asio::any_io_executor get_executor() const override {
        return h2_connection::get_executor();
    }
    [[nodiscard]] http::version version() const noexcept override { return version::http_2; }
    awaitable<response> exchange(request* r) override;
    [[nodiscard]] std::size_t available() override;
    [[nodiscard]] std::size_t exchanges() const noexcept override { return open_exchanges(); }
    [[nodiscard]] bool usable() const noexcept override;
    void start_idling() override;
    void drain() override;
    void close() override;

  private:
    awaitable<response> run(request& r, h2_exchange& x);
    awaitable<void> wait_for_extended_connect(h2_exchange& x);
    awaitable<void> wait_for_head(h2_exchange& x, const request& r);
    awaitable<void> send_upload(h2_exchange& x, http::body content,
                                std::optional<std::uint64_t> size,
                                std::shared_ptr<h2_upload> state);
    void start_upload(h2_exchange& x, http::body content, std::optional<std::uint64_t> size);
    io::stream open_tunnel(h2_exchange& x);
    void stop_upload(h2_exchange& x);
    [[nodiscard]] static bool near_its_end(const h2_exchange& x) noexcept;
    [[nodiscard]] failure why_closed(const h2_exchange& x) const;
    void finished(h2_exchange& x);
    void tell();

    void on_head(h2_exchange& x) override;
    void on_closed(h2_exchange& x) override;
    void on_sent(h2_exchange& x) override { x.changed.wake(); }
    void on_body_released(h2_exchange& x) override;
    void on_drop_limit(h2_exchange& x) override;
    void on_peer() override;
    void on_over() override;
    void on_abuse(const char* why) override { cut_off_for_ = why; }
    void on_abandoned() noexcept override;

    const client_options client_options_;
    h2_fields fields_;
    const char* cut_off_for_ = nullptr;
    bool usable_ = true;
    bool vanished_ = false;  // the server ended the connection without a word
};

}  // namespace weft::http::detail
