// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_pump.hpp"
#include "date.hpp"
#include "h1_inbound.hpp"
#include "interim_port.hpp"
#include "server_connection.hpp"
#include "server_report.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/detail/resume_mark.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace weft::http::detail {

/// One HTTP/1 connection of a server. docs/h1-connection.md draws its states.
///
/// run() is the driver: one coroutine that reads a head, calls the application, writes the
/// response, and so on until the connection ends. It runs as a child with a cancellation signal of
/// its own, because a peer that goes away cancels the handler, which runs inside it.
class h1_server_connection final : public byte_pump, public server_connection, public interim_port {
  public:
    h1_server_connection(io::stream connection, any_app app,
                         std::shared_ptr<const server_options> options);

    /// Until the connection is closed. Called once. Never throws for what the peer did.
    awaitable<void> serve();

    /// Ends after the response it is at. What has just come gets `first_word` for its request.
    /// From any thread.
    void drain(std::shared_ptr<server_connection> self) override;
    [[nodiscard]] std::uint64_t idle_since() const noexcept override {
        return idle_since_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] const clock& time() const noexcept override { return context().clock(); }
    void send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                      response_head head) override;
    /// The stream, and what was read from it, when serve() has ended because the client speaks
    /// HTTP/2.
    struct handover {
        io::stream stream;
        weft::bytes ahead;
    };
    std::optional<handover> take_http_2();
    /// Ends after one response. Before serve().
    void answer_once() noexcept { draining_ = answer_one_ = true; }

  private:
    enum class phase : std::uint8_t {
        head,      ///< waits for a request, or the rest of its head
        handling,  ///< the application runs, or makes the response's body: it may be cancelled
        sending,   ///< the response is made
        closing
    };
    enum class found : std::uint8_t {
        nothing,  ///< not yet
        head,     ///< a whole one
        http_2,   ///< the preface of HTTP/2 instead
        end       ///< the connection is over, or its last response is under way
    };
    enum class preface : std::uint8_t { none, begun, whole };
    /// Which limits were set while a head is waited for.
    struct head_limits {
        bool idle = false;
        bool head = false;
    };
    struct request_facts {
        h1::traits traits;
        http::version version = http::version::http_1_1;
        bool head_method = false;
        bool connect_method = false;
    };

    awaitable<void> run();
    awaitable<bool> send_chunks(http::body& content, h1::framing framing);
    awaitable<bool> finish_request_body();
    awaitable<void> hand_over(response r, bool connect_method);
    awaitable<void> sent();
    awaitable<void> linger();

    preface look_for_http_2();
    found next_head(head_limits& limits);
    request make_request(request_facts& facts);
    void begin_handling();
    response answer_to(std::exception_ptr thrown);
    std::optional<h1::framing> begin_response(const response& r, const request_facts& facts);
    void reject(const http::status& s, std::string_view why);
    void append_head(const response& r, h1::framing framing, h1::connection say);
    static constexpr std::size_t high_water = 64 * 1024;  // of output that the peer has not taken

    void start_draining();
    void on_input() override;
    void watch_peer();
    void stop();
    void cancel_handler();

    const any_app app_;
    weft::detail::resume_mark* const mark_;  // of a loop under watch: told of each call
    const std::shared_ptr<const server_options> shared_options_;
    const server_options& options_;
    h1::limits limits_;
    h1::request_decoder decoder_;
    h1_inbound inbound_;
    date_text date_;
    server_report report_;
    std::string call_;  // what it is at, for reports

    boost::asio::cancellation_signal signal_;
    std::optional<handover> http_2_;
    phase phase_ = phase::head;
    bool sniffing_ = false;   // before the first request: HTTP/2 may come instead
    bool started_ = false;    // run() has begun: only then may the signal be emitted
    bool cancelled_ = false;  // the signal was emitted and not forgiven
    bool stopping_ = false;   // the caller of serve() was cancelled
    bool draining_ = false;
    bool answer_one_ = false;  // draining_, but one request is answered yet
    bool asked_ = false;       // a request has come
    std::atomic<std::uint64_t> idle_since_{0};
    const clock::time_point began_;
    bool keep_alive_ = true;
    std::uint32_t exchange_ = 0;  // the number of the last request
    bool informs_ = false;        // it waits for its answer, and knows interim ones
};

}  // namespace weft::http::detail
