// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_connection.hpp"

#include <boost/asio/error.hpp>

namespace weft::testing::detail {

namespace asio = boost::asio;
using guard = network_core::guard;

network_end::network_end(network_connection& of, std::size_t side, asio::any_io_executor executor)
    : stream_impl(std::move(executor)), of_(of), side_(side) {
    add(get_executor());
    counted_ = live_token(context().live().streams);
    extensions_.insert(net::peer_endpoint{of_.at(1 - side).address});
    extensions_.insert(net::local_endpoint{of_.at(side).address});
}

void network_end::wait() {
    if (!work_) work_ = asio::prefer(get_executor(), asio::execution::outstanding_work.tracked);
}

void network_end::complete(io::operation& op, io::error_code ec, std::size_t n) {
    post(op, ec, n);
    if (!of_.in(side_).reader && !of_.out(side_).writer) work_ = {};
}

void network_end::end_pending(io::error_code ec) {
    if (auto* reader = std::exchange(of_.in(side_).reader, nullptr)) complete(*reader, ec, 0);
    if (auto* writer = std::exchange(of_.out(side_).writer, nullptr)) complete(*writer, ec, 0);
}

void network_end::leave() {
    remove();
    end_pending(asio::error::operation_aborted);
    // Its context may be gone before the peer lets go of the connection.
    work_ = {};
    release_executor();
    counted_.reset();
}

void network_end::start_read(io::mutable_buffers buffers, io::operation& op) {
    const guard lock(of_.core());
    io::error_code ec;
    const std::size_t n = of_.read(side_, buffers, ec);
    if (ec != asio::error::would_block) return post(op, ec, n);
    of_.in(side_).reader = &op;
    of_.in(side_).into = buffers;
    wait();
}

void network_end::start_write(io::const_buffers buffers, io::operation& op) {
    const guard lock(of_.core());
    io::error_code ec;
    const std::size_t n = of_.write(side_, buffers, ec);
    if (ec != asio::error::would_block) return post(op, ec, n);
    of_.out(side_).writer = &op;
    of_.out(side_).from = buffers;
    wait();
}

std::size_t network_end::try_read(io::mutable_buffers buffers, io::error_code& ec) noexcept {
    const guard lock(of_.core());
    return of_.read(side_, buffers, ec);
}

std::size_t network_end::try_write(io::const_buffers buffers, io::error_code& ec) noexcept {
    const guard lock(of_.core());
    return of_.write(side_, buffers, ec);
}

bool network_end::try_shutdown_send(io::error_code& ec) noexcept {
    const guard lock(of_.core());
    if (aborted) {
        ec = asio::error::connection_aborted;
        return false;
    }
    of_.finish(side_);
    return true;
}

void network_end::start_shutdown_send(io::operation& op) {
    io::error_code ec;
    try_shutdown_send(ec);
    post(op, ec, 0);
}

void network_end::cancel_read() noexcept {
    const guard lock(of_.core());
    if (auto* reader = std::exchange(of_.in(side_).reader, nullptr))
        complete(*reader, asio::error::operation_aborted, 0);
}

void network_end::cancel_write() noexcept {
    const guard lock(of_.core());
    auto* writer = std::exchange(of_.out(side_).writer, nullptr);
    if (!writer) return;
    complete(*writer, asio::error::operation_aborted, 0);
    of_.finish(side_);
}

void network_end::abort() noexcept {
    const guard lock(of_.core());
    if (aborted) return;
    aborted = true;
    end_pending(asio::error::operation_aborted);
    of_.send_reset(side_);
}

void network_end::dispose() noexcept {
    weft::extensions store;  // ended after the lock: it holds values of the user's
    const guard lock(of_.core());
    store = std::move(extensions_);
    of_.leave(side_);
}

void network_end::on_context_shutdown() noexcept {
    io::operation* reader = nullptr;
    io::operation* writer = nullptr;
    {
        const guard lock(of_.core());
        reader = std::exchange(of_.in(side_).reader, nullptr);
        writer = std::exchange(of_.out(side_).writer, nullptr);
        work_ = {};
        counted_.reset();
    }
    // These end coroutines, which may end this stream and the connection.
    if (reader) reader->abandon();
    if (writer) writer->abandon();
}

}  // namespace weft::testing::detail
