// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <string>
#include <vector>

namespace weft::net::detail {

/// getaddrinfo on a few threads apart, one set for each execution context. The threads live only
/// while there are names to look up, and nobody waits for them at the end: a name server that never
/// answers must not delay exit.
class resolver_pool final : public boost::asio::execution_context::service {
  public:
    using key_type = resolver_pool;
    static boost::asio::execution_context::id id;
    using addresses = std::vector<boost::asio::ip::address>;
    using handler = boost::asio::any_completion_handler<void(boost::system::error_code, addresses)>;

    explicit resolver_pool(boost::asio::execution_context& context);
    ~resolver_pool() override;

    /// Posts `h` to its executor (else `executor`) with the addresses, in getaddrinfo's order. Its
    /// cancellation slot ends the wait, not the look-up.
    void resolve(const boost::asio::any_io_executor& executor, std::string host, handler h);

  private:
    struct shared;
    void shutdown() override;

    std::shared_ptr<shared> shared_;
};

/// The same for coroutines: at least one address, or a failure.
awaitable<resolver_pool::addresses> resolve(std::string host);

}  // namespace weft::net::detail
