// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_inbound.hpp"

#include <weft/core/failure.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/run_on.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {
/// How much is read ahead of a pull; a body in flight may use a large block.
constexpr std::size_t body_room = 16 * 1024;
/// How much a body gives in a row before others have their turn: a peer that sends as fast as we
/// read would hold the loop for as long as it likes.
constexpr std::size_t fair_share = 64 * 1024;
}  // namespace

class h1_inbound::source final : public body::source {
  public:
    source(std::shared_ptr<byte_pump> keep, h1_inbound& inbound, std::uint64_t serial,
           std::optional<std::uint64_t> size)
        : keep_(std::move(keep)),
          inbound_(&inbound),
          serial_(serial),
          left_(size),
          of_request_(inbound.options_.of_requests) {}

    ~source() override {
        if (inbound_->serial_.load(std::memory_order_acquire) != serial_) return;
        // The body may die anywhere; what it leaves is looked after where the connection lives.
        auto executor = keep_->get_executor();
        asio::dispatch(executor, [keep = std::move(keep_), inbound = inbound_, serial = serial_] {
            inbound->drop(serial);
        });
    }

    awaitable<std::optional<weft::bytes>> next() override {
        if (ended_) co_return std::nullopt;
        pulled piece = co_await pull(keep_, inbound_, serial_);
        if (piece.data) {
            if (left_) *left_ -= piece.data->size();
        } else {
            ended_ = true;
            left_ = 0;
            trailers_ = std::move(piece.trailers);
        }
        co_return std::move(piece.data);
    }
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return left_; }
    [[nodiscard]] failure too_large(std::size_t limit) const override {
        failure f = body::source::too_large(limit);
        if (!of_request_) return f;
        return std::move(f).detail(answer_with{status::content_too_large});
    }
    [[nodiscard]] headers* trailers() noexcept override {
        return trailers_.empty() ? nullptr : &trailers_;
    }

  private:
    std::shared_ptr<byte_pump> keep_;
    h1_inbound* inbound_;
    std::uint64_t serial_;
    std::optional<std::uint64_t> left_;
    bool ended_ = false;
    bool of_request_;
    headers trailers_;
};

http::body h1_inbound::open(h1::framing framing, const h1::limits& limits) {
    failed_ = waits_for_continue_ = false;
    if (framing.empty()) {
        open_ = held_ = false;
        return {};
    }
    decoder_ = h1::body_decoder(framing, limits);
    trailers_ = {};
    delivered_ = 0;
    waited_ = {};
    open_ = held_ = true;
    const std::uint64_t serial = serial_.fetch_add(1, std::memory_order_acq_rel) + 1;
    std::optional<std::uint64_t> size;
    if (framing.how == h1::framing::kind::length) size = framing.length;
    return http::body(std::make_unique<source>(pump_.shared_from_this(), *this, serial, size));
}

void h1_inbound::take_over() noexcept {
    serial_.fetch_add(1, std::memory_order_acq_rel);
    held_ = false;
    pump_.input_changed.wake();
}

void h1_inbound::detach() noexcept {
    open_ = false;
    take_over();
}

void h1_inbound::let_continue() {
    if (!std::exchange(waits_for_continue_, false)) return;
    pump_.out.append(h1::continue_response);
    pump_.flush();
}

void h1_inbound::drop(std::uint64_t serial) {
    if (serial_.load(std::memory_order_relaxed) != serial) return;
    held_ = false;
    if (on_release) on_release();
}

void h1_inbound::fail(failure f) {
    failed_ = true;
    open_ = false;
    throw std::move(f);
}

h1_inbound::piece h1_inbound::step() {
    for (;;) {
        const std::string_view input = pump_.in.data();
        const h1::body_step step =
            input.empty() && pump_.input_end() ? h1::body_step{} : decoder_.decode(input);
        switch (step.what) {
            case h1::body_step::event::data: {
                const auto before = static_cast<std::size_t>(step.data.data() - input.data());
                pump_.in.consume(before);
                weft::bytes data = pump_.in.take(step.data.size());
                pump_.in.consume(step.consumed - before - data.size());
                delivered_ += data.size();
                return {false, std::move(data)};
            }
            case h1::body_step::event::end:
                pump_.in.consume(step.consumed);
                open_ = false;
                trailers_ = decoder_.take_trailers();
                return {false, std::nullopt};
            case h1::body_step::event::failed:
                fail(failure(failure_kind::protocol,
                             "the body is refused: " + decoder_.error().message())
                         .with("reason", to_string(decoder_.error().why()))
                         .detail(
                             answer_with{blame(decoder_.error().status(), status::bad_gateway)}));
            case h1::body_step::event::need_more:
                break;
        }
        pump_.in.consume(step.consumed);
        if (pump_.input_end()) {
            const h1::body_step last = decoder_.end_of_input();
            if (last.what == h1::body_step::event::end) {
                open_ = false;
                return {false, std::nullopt};
            }
            const io::error_code why = *pump_.input_end();
            fail(failure(failure_kind::unavailable, why, "the connection ended within the body")
                     .in(failure_domain::transport)
                     .with("received", static_cast<long long>(delivered_)));
        }
        if (!pump_.try_input(body_room)) return {true, std::nullopt};
    }
}

void h1_inbound::check_rate() {
    if (options_.min_rate == 0 || waited_ <= options_.timeout) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited_).count();
    if (delivered_ >= options_.min_rate * static_cast<std::uint64_t>(seconds)) return;
    fail(failure(failure_kind::timeout, "the body comes too slowly")
             .in(failure_domain::transport)
             .with("received", static_cast<long long>(delivered_))
             .with("seconds", seconds)
             .detail(answer_with{blame(status::request_timeout, status::gateway_timeout)}));
}

awaitable<h1_inbound::pulled> h1_inbound::pull_here(std::uint64_t serial) {
    auto keep = pump_.shared_from_this();
    if (serial_.load(std::memory_order_relaxed) != serial || !open_)
        throw failure(failure_kind::unavailable, "the connection of this body has ended")
            .in(failure_domain::transport);
    if (pulling_) throw failure(failure_kind::invalid_input, "a body is pulled by two at once");
    let_continue();
    struct pulling_guard {
        bool& flag;
        ~pulling_guard() { flag = false; }
    } guard{pulling_};
    pulling_ = true;
    for (;;) {
        const bool gives_way = in_a_row_ >= fair_share;
        if (!gives_way) {
            piece next = step();
            if (!next.need_more) {
                pulled result;
                result.data = std::move(next.data);
                if (result.data) {
                    in_a_row_ += result.data->size();
                } else {
                    result.trailers = std::exchange(trailers_, {});
                    held_ = false;
                    if (on_release) on_release();
                }
                co_return result;
            }
            pump_.flush();  // what was produced meanwhile may be what the peer waits for
            pump_.want_input(body_room);
            pump_.arm_limit(options_.timeout);
        } else {
            pump_.wake_later();
        }
        in_a_row_ = 0;
        const auto from = pump_.context().clock().now();
        co_await pump_.input_changed.wait();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (serial_.load(std::memory_order_relaxed) != serial)
            throw failure(failure_kind::unavailable, "the connection of this body has ended")
                .in(failure_domain::transport);
        if (state.cancelled() != asio::cancellation_type::none) {
            pump_.disarm_limit();
            throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                          "a pull of the body");
        }
        if (gives_way) continue;
        pump_.disarm_limit();
        if (pump_.limit_reached() && pump_.in.empty())
            fail(failure(failure_kind::timeout, "no more of the body came")
                     .in(failure_domain::transport)
                     .with("limit_ms", options_.timeout.count())
                     .with("received", static_cast<long long>(delivered_))
                     .detail(answer_with{blame(status::request_timeout, status::gateway_timeout)}));
        waited_ += pump_.context().clock().now() - from;
        check_rate();
    }
}

awaitable<h1_inbound::pulled> h1_inbound::pull(std::shared_ptr<byte_pump> keep, h1_inbound* self,
                                               std::uint64_t serial) {
    const auto here = co_await asio::this_coro::executor;
    const auto there = keep->get_executor();
    if (here == there) co_return co_await self->pull_here(serial);
    co_return co_await run_on(there, self->pull_here(serial));
}

}  // namespace weft::http::detail
