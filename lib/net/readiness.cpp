// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "readiness.hpp"

#include <weft/core/failure.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>

#include <cstddef>
#include <utility>

namespace weft::net::detail {

namespace asio = boost::asio;
using io::error_code;
using io::operation;

class readiness_waits final : public io::stream_impl, private descriptor {
  public:
    readiness_waits(asio::any_io_executor executor, int fd)
        : stream_impl(std::move(executor)), descriptor(get_executor(), context(), fd) {}

    using descriptor::direction;
    using descriptor::exhausted;
    using descriptor::fd;
    using descriptor::ready;

    void close() noexcept {
        end_pending();
        descriptor::close();
    }

  private:
    void begin(direction d, operation& op, operation*& place) {
        if (fd() < 0) return post(op, asio::error::operation_aborted, 0);
        if (ready(d)) return post(op, error_code(), 1);
        place = &op;
        wait(d);
    }
    void stop(direction d, operation*& place) noexcept {
        if (!place) return;
        descriptor::cancel(d);
        post(*std::exchange(place, nullptr), asio::error::operation_aborted, 0);
    }
    void end_pending() noexcept {
        stop(input, reader_);
        stop(output, writer_);
    }

    void start_read(io::mutable_buffers, operation& op) override { begin(input, op, reader_); }
    void start_write(io::const_buffers, operation& op) override { begin(output, op, writer_); }
    void start_shutdown_send(operation& op) override {
        post(op, asio::error::operation_not_supported, 0);
    }
    void cancel_read() noexcept override { stop(input, reader_); }
    void cancel_write() noexcept override { stop(output, writer_); }
    void abort() noexcept override { close(); }
    void dispose() noexcept override {
        close();
        delete this;
    }
    const weft::extensions& extensions() const noexcept override { return extensions_; }

    void on_ready(bool input_over, bool output_over) override {
        operation* reader = input_over ? std::exchange(reader_, nullptr) : nullptr;
        operation* writer = output_over ? std::exchange(writer_, nullptr) : nullptr;
        // The first completion may destroy this: only the last one is delivered on the spot.
        const bool direct = calls_on_executor() || runs_here();
        if (writer) {
            if (!reader && direct) return writer->deliver(error_code(), 1);
            post(*writer, error_code(), 1);
        }
        if (reader) {
            if (direct) return reader->deliver(error_code(), 1);
            post(*reader, error_code(), 1);
        }
    }
    void on_shutdown() noexcept override {
        operation* reader = std::exchange(reader_, nullptr);
        operation* writer = std::exchange(writer_, nullptr);
        // Each may free this.
        if (reader) reader->abandon();
        if (writer) writer->abandon();
    }

    operation* reader_ = nullptr;
    operation* writer_ = nullptr;
    weft::extensions extensions_;
};

readiness::readiness(asio::any_io_executor executor, file_descriptor fd)
    : impl_(new readiness_waits(std::move(executor), fd.release())) {
    waits_ = io::stream(impl_);
}

int readiness::fd() const noexcept { return impl_->fd(); }
bool readiness::ready(descriptor::direction d) const noexcept { return impl_->ready(d); }
void readiness::exhausted(descriptor::direction d) noexcept { impl_->exhausted(d); }
void readiness::close() noexcept { impl_->close(); }

awaitable<void> readiness::wait(descriptor::direction d, const char* what,
                                std::source_location where) {
    // Neither byte is touched.
    char room = 0;
    error_code ec;
    constexpr auto as_result = asio::as_tuple(asio::deferred);
    const wait_scope waiting(impl_->context(), what, where);
    if (d == descriptor::input) {
        auto [code, n] = co_await waits_.async_read_some(asio::mutable_buffer(&room, 1), as_result);
        ec = code;
    } else {
        auto [code, n] = co_await waits_.async_write_some(asio::const_buffer(&room, 1), as_result);
        ec = code;
    }
    if (ec) throw failure::from(ec, std::string(what) + " failed");
}

}  // namespace weft::net::detail
