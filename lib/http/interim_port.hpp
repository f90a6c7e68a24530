// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/interim.hpp>
#include <weft/http/request.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace weft::http::detail {

/// What fields cost where they are kept or compressed (RFC 9113 6.5.2).
[[nodiscard]] std::size_t field_cost(const headers& fields) noexcept;

/// A server's connection, as its requests know it: each has a number there, which is not 0.
class interim_port {
  public:
    /// More bytes than that wait to be sent: no hints any more.
    static constexpr std::size_t room = 16 * 1024;

    /// Sends it when that exchange still waits for its answer. From any thread: `self`, which may
    /// be the last reference, goes to the connection's executor.
    virtual void send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                              response_head head) = 0;

  protected:
    ~interim_port() = default;
    static void number(request& r, std::uint32_t exchange) noexcept { r.exchange_ = exchange; }
};

/// In the extensions of the connection, or of a request without one.
struct interim_link {
    std::weak_ptr<interim_port> port;
};

/// Where there is no connection: those of one request go to who made it, until the answer is there.
/// All but send_interim() on the executor.
class direct_interim_port final : public interim_port,
                                  public std::enable_shared_from_this<direct_interim_port> {
  public:
    direct_interim_port(boost::asio::any_io_executor executor, on_interim who)
        : executor_(std::move(executor)), who_(std::move(who)) {}

    /// Into the extensions of the request.
    void listen_to(request& r);
    /// The answer is there: no more are told. Throws what the listener has thrown.
    void end();
    void send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                      response_head head) override;

  private:
    boost::asio::any_io_executor executor_;
    on_interim who_;
    std::exception_ptr thrown_;
    bool over_ = false;
};

/// A client's: tells who asked of an interim response.
void tell_interim(const request& r, const response_head& head);

}  // namespace weft::http::detail
