// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/io/prefixed.hpp>

#include <algorithm>
#include <cstring>

namespace weft::io {
namespace {

class prefixed_stream final : public stream_impl {
  public:
    prefixed_stream(bytes first, stream rest)
        : stream_impl(rest), first_(std::move(first)), rest_(std::move(rest)) {}

  private:
    // Operations are handed down as they are: the inner transport completes them.
    void start_read(mutable_buffers buffers, operation& op) override {
        if (!first_.empty()) return post(op, error_code(), take(buffers));
        rest_.impl().start_read(buffers, op);
    }
    void start_write(const_buffers buffers, operation& op) override {
        rest_.impl().start_write(buffers, op);
    }
    void start_shutdown_send(operation& op) override { rest_.impl().start_shutdown_send(op); }
    void cancel_read() noexcept override { rest_.impl().cancel_read(); }
    void cancel_write() noexcept override { rest_.impl().cancel_write(); }

    std::size_t try_read(mutable_buffers buffers, error_code& ec) noexcept override {
        if (!first_.empty()) return take(buffers);
        return rest_.impl().try_read(buffers, ec);
    }
    std::size_t try_write(const_buffers buffers, error_code& ec) noexcept override {
        return rest_.impl().try_write(buffers, ec);
    }
    bool try_shutdown_send(error_code& ec) noexcept override {
        return rest_.impl().try_shutdown_send(ec);
    }
    int kernel_tls_socket() const noexcept override { return rest_.impl().kernel_tls_socket(); }
    void start_wait_writable(operation& op) override { rest_.impl().start_wait_writable(op); }
    void end_follows() noexcept override { rest_.end_follows(); }

    bool may_read_now() const noexcept override {
        return !first_.empty() || rest_.impl().may_read_now();
    }
    void abort() noexcept override {
        first_ = bytes();
        rest_.abort();
    }
    void dispose() noexcept override {
        // A prefix that nobody read is unread input.
        if (!first_.empty()) rest_.abort();
        delete this;
    }
    const weft::extensions& extensions() const noexcept override { return rest_.extensions(); }
    int native_socket() const noexcept override {
        return first_.empty() ? rest_.native_socket() : -1;
    }

    std::size_t take(mutable_buffers buffers) noexcept {
        std::size_t taken = 0;
        for (const auto& b : buffers) {
            const std::size_t n = std::min(b.size(), first_.size());
            std::memcpy(b.data(), first_.data(), n);
            first_.remove_prefix(n);
            taken += n;
        }
        if (first_.empty()) first_ = bytes();
        return taken;
    }

    bytes first_;
    stream rest_;
};

}  // namespace

stream prefixed(bytes first, stream rest) {
    if (first.empty()) return rest;
    return stream::make<prefixed_stream>(std::move(first), std::move(rest));
}

}  // namespace weft::io
