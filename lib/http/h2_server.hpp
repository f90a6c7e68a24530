// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "date.hpp"
#include "h2_connection.hpp"
#include "interim_port.hpp"
#include "server_connection.hpp"
#include "server_report.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/bytes.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/detail/resume_mark.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::http::detail {

/// One HTTP/2 connection of a server. docs/h2-connection.md draws its life.
///
/// Requests are served by workers: coroutines that take one request after the other. One is begun,
/// or taken from those that have nothing to do, as long as a request waits for one; so a handler
/// that does not suspend costs no coroutine of its own, and one that does holds up nobody.
class h2_server_connection final : public h2_connection,
                                   public server_connection,
                                   public interim_port {
  public:
    /// `ahead` was read from the connection before it was known what it speaks.
    h2_server_connection(io::stream connection, weft::bytes ahead, any_app app,
                         std::shared_ptr<const server_options> options);

    /// Until the connection is closed. Called once. Never throws for what the peer did.
    awaitable<void> serve();
    void drain(std::shared_ptr<server_connection> self) override;
    [[nodiscard]] std::uint64_t idle_since() const noexcept override { return waits_since(); }
    [[nodiscard]] const clock& time() const noexcept override { return context().clock(); }
    void send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                      response_head head) override;
    /// Ends after the requests that come with its first ones. Before serve().
    void answer_once() noexcept { drain_at_once_ = true; }

  private:
    /// A coroutine that serves requests, and the way to cancel it.
    struct worker {
        explicit worker(h2_server_connection& c) : idle(c.executor()) {}
        waker idle;
        boost::asio::cancellation_signal signal;
        h2_exchange* at = nullptr;
        http::method method;  // what it is at, for reports
        std::string target;
        bool begun = false;      // only then may the signal be emitted
        bool handling = false;   // the application runs, or makes a content: it may be cancelled
        bool cancelled = false;  // the signal was emitted and not forgiven
        bool dismissed = false;  // ends instead of waiting any longer
    };

    awaitable<void> run();
    awaitable<void> work(worker& w);
    awaitable<void> tunnel(h2_exchange& x, response r, http::body content);
    awaitable<void> linger();

    void start_workers();
    void start_others_later();
    void begin_worker();
    void end_workers();
    void cancel(worker& w);
    void cancel(const h2_exchange& x);
    request make_request(h2_exchange& x, worker& w, http::body& tunnelled);
    static std::string name_of(const worker& w);
    bool begin_response(h2_exchange& x, const worker* w, response& r,
                        std::optional<std::uint64_t>& size);
    bool refuse(h2_exchange& x);
    void finish_exchange(h2_exchange& x);
    void give_up(h2_exchange& x) noexcept;
    response answer_to(std::exception_ptr thrown, const worker& w);
    void stop();

    void on_head(h2_exchange& x) override;
    void on_told() override;
    void on_closed(h2_exchange& x) override;
    void on_sent(h2_exchange& x) override;
    void on_drop_limit(h2_exchange& x) override;
    void on_too_large(h2_exchange& x) override;
    void on_quiet() override;
    void on_body_released(h2_exchange&) override {}
    void on_over() override;
    void on_abuse(const char* why) override;

    const any_app app_;
    weft::detail::resume_mark* const mark_;  // of a loop under watch: told of each call
    const std::shared_ptr<const server_options> shared_options_;
    const server_options& server_options_;
    server_report report_;
    date_text date_;
    h2_fields fields_;
    std::size_t hinted_ = 0;  // of interim responses, in frames that may still wait
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<worker*> idle_;
    std::vector<h2_exchange*> ready_;  // requests that wait for a worker
    std::size_t next_ready_ = 0;
    std::size_t at_work_ = 0;  // workers that have not ended
    bool start_is_posted_ = false;
    bool stopping_ = false;  // the caller of serve() was cancelled
    bool drain_at_once_ = false;
};

}  // namespace weft::http::detail
