// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "acceptor.hpp"
#include <weft/net/listener.hpp>

#include <boost/asio/dispatch.hpp>

#include <utility>

namespace weft::net {

namespace asio = boost::asio;

listener::listener(asio::any_io_executor executor, std::string_view address,
                   const listen_options& options)
    : listener(std::move(executor), listen_socket(address, options), options.max_connections) {}

listener::listener(asio::any_io_executor executor, listen_socket socket,
                   std::size_t max_connections)
    : acceptor_(detail::acceptor::make(std::move(executor), std::move(socket), max_connections)) {}

listener::listener(listener&&) noexcept = default;

listener& listener::operator=(listener&& other) noexcept {
    std::swap(acceptor_, other.acceptor_);
    return *this;
}

listener::~listener() {
    if (!acceptor_) return;
    auto& executor = acceptor_->executor();
    asio::dispatch(executor, [gone = std::move(acceptor_)] { gone->finish(); });
}

const any_endpoint& listener::local_endpoint() const noexcept { return acceptor_->local(); }

std::size_t listener::live() const noexcept { return acceptor_->live(); }

void listener::on_exhausted(std::function<void()> relieve) {
    acceptor_->on_exhausted(std::move(relieve));
}

void listener::close() noexcept {
    asio::dispatch(acceptor_->executor(), [closing = acceptor_] { closing->begin_closing(); });
}

awaitable<io::stream> listener::accept(std::source_location where) {
    return acceptor_->accept(where);
}

}  // namespace weft::net
