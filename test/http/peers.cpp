// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"

namespace peers {
namespace {

class counting final : public io::stream_impl {
  public:
    counting(io::stream inner, std::shared_ptr<write_count> count)
        : stream_impl(inner.get_executor()), inner_(std::move(inner)), count_(std::move(count)) {}

  private:
    void start_read(io::mutable_buffers buffers, io::operation& op) override {
        ++count_->reads;
        inner_.impl().start_read(buffers, op);
    }
    void start_write(io::const_buffers buffers, io::operation& op) override {
        ++count_->writes;
        inner_.impl().start_write(buffers, op);
    }
    void start_shutdown_send(io::operation& op) override { inner_.impl().start_shutdown_send(op); }
    void cancel_read() noexcept override { inner_.impl().cancel_read(); }
    void cancel_write() noexcept override { inner_.impl().cancel_write(); }
    std::size_t try_read(io::mutable_buffers buffers, io::error_code& ec) noexcept override {
        return inner_.impl().try_read(buffers, ec);
    }
    std::size_t try_write(io::const_buffers buffers, io::error_code& ec) noexcept override {
        const std::size_t n = inner_.impl().try_write(buffers, ec);
        if (!ec) ++count_->writes;
        return n;
    }
    bool try_shutdown_send(io::error_code& ec) noexcept override {
        return inner_.impl().try_shutdown_send(ec);
    }
    void abort() noexcept override { inner_.abort(); }
    const weft::extensions& extensions() const noexcept override { return inner_.extensions(); }

    io::stream inner_;
    std::shared_ptr<write_count> count_;
};

}  // namespace

io::stream counted(io::stream inner, std::shared_ptr<write_count> count) {
    return io::stream::make<counting>(std::move(inner), std::move(count));
}

}  // namespace peers
