// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/body.hpp>
#include <weft/runtime/channel.hpp>

#include <utility>

namespace weft::http {

/// What the two ends share. Trailers and failure are written before the channel is closed, and read
/// after.
struct body_writer::shared {
    explicit shared(std::size_t capacity) : chunks(capacity) {}

    channel<weft::bytes> chunks;
    headers trailers;
    std::optional<failure> failed;
};

namespace {

struct reading_end final : body::source {
    explicit reading_end(std::shared_ptr<body_writer::shared> s) noexcept : shared(std::move(s)) {}
    ~reading_end() override { shared->chunks.close(); }

    awaitable<std::optional<weft::bytes>> next() override {
        std::optional<weft::bytes> chunk = co_await shared->chunks.receive();
        if (!chunk) {
            ended = true;
            if (shared->failed) throw failure(*shared->failed);
        }
        co_return chunk;
    }
    [[nodiscard]] headers* trailers() noexcept override {
        return ended && !shared->trailers.empty() ? &shared->trailers : nullptr;
    }

    std::shared_ptr<body_writer::shared> shared;
    bool ended = false;
};

}  // namespace

std::pair<body_writer, body> body::channel(std::size_t capacity) {
    auto shared = std::make_shared<body_writer::shared>(capacity);
    return {body_writer(shared), body(std::make_unique<reading_end>(shared))};
}

body_writer::body_writer(std::shared_ptr<shared> s) noexcept : shared_(std::move(s)) {}
body_writer::body_writer(body_writer&&) noexcept = default;

body_writer& body_writer::operator=(body_writer&& other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
}

body_writer::~body_writer() {
    if (shared_)
        fail(
            failure(failure_kind::unavailable, "the writer of this body went away before its end"));
}

awaitable<void> body_writer::write(weft::bytes chunk) {
    if (chunk.empty()) co_return;
    auto to = shared_;
    if (!to) throw failure(failure_kind::invalid_input, "this body was closed before");
    if (!co_await to->chunks.send(std::move(chunk)))
        throw failure(failure_kind::unavailable, "the reader of this body has gone away");
}

void body_writer::close(headers trailers) {
    if (!shared_) return;
    shared_->trailers = std::move(trailers);
    std::exchange(shared_, nullptr)->chunks.close();
}

void body_writer::fail(failure f) {
    if (!shared_) return;
    shared_->failed.emplace(std::move(f));
    std::exchange(shared_, nullptr)->chunks.close();
}

}  // namespace weft::http
