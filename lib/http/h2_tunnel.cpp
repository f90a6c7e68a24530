// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_tunnel.hpp"

#include <weft/core/bytes.hpp>

#include <boost/asio/buffer.hpp>

#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace weft::http::detail {

awaitable<void> tunnel_in(http::body from, std::shared_ptr<io::stream> to) {
    std::exception_ptr thrown;
    try {
        while (std::optional<weft::bytes> chunk = co_await from.next())
            co_await to->write(std::move(*chunk));
        co_await to->shutdown_send();
    } catch (...) {
        thrown = std::current_exception();
    }
    // The peer broke off, or the application reads no more: what is left goes nowhere.
    if (thrown) to->abort();
}

http::body tunnel_out(std::shared_ptr<io::stream> from) {
    auto read = [from = std::move(from)]() -> awaitable<std::optional<weft::bytes>> {
        std::string memory(16 * 1024, '\0');
        const std::size_t n = co_await from->read(boost::asio::buffer(memory));
        if (n == 0) co_return std::nullopt;
        memory.resize(n);
        co_return weft::bytes(std::move(memory));
    };
    return http::body::pull(std::move(read));
}

}  // namespace weft::http::detail
