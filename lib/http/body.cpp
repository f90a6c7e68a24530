// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/body.hpp>

#include <utility>

namespace weft::http {
namespace {

/// A body with trailer fields behind it.
struct trailed final : body::source {
    trailed(body b, headers f) : inner(std::move(b)), fields(std::move(f)) {}
    awaitable<std::optional<weft::bytes>> next() override { return inner.next(); }
    [[nodiscard]] headers* trailers() noexcept override { return &fields; }
    [[nodiscard]] std::unique_ptr<source> replay() const override {
        std::optional<body> again = inner.replay();
        return again ? std::make_unique<trailed>(std::move(*again), fields) : nullptr;
    }
    // No size: with a Content-Length there would be no place for trailers.
    body inner;
    headers fields;
};

awaitable<std::optional<weft::bytes>> ready(weft::bytes content) {
    if (content.empty()) co_return std::nullopt;
    co_return content;
}

failure over(std::size_t limit) {
    return failure(failure_kind::rejected, "the body is larger than allowed")
        .with("limit", static_cast<long long>(limit));
}

}  // namespace

failure body::source::too_large(std::size_t limit) const { return over(limit); }

awaitable<std::optional<weft::bytes>> body::next() {
    if (source* s = from()) return s->next();
    return ready(std::exchange(content_, {}));
}

failure body::too_large(std::size_t limit) const {
    return from() ? from()->too_large(limit) : over(limit);
}

awaitable<weft::bytes> body::read_all(std::size_t limit) {
    const auto refuse = [&] { throw too_large(limit); };
    if (const auto known = size(); known && *known > limit) refuse();
    std::optional<weft::bytes> first = co_await next();
    if (!first) co_return weft::bytes();
    if (first->size() > limit) refuse();
    std::optional<weft::bytes> chunk = co_await next();
    if (!chunk) co_return std::move(*first);
    std::string all(first->view());
    while (chunk) {
        if (chunk->size() > limit - all.size()) refuse();
        all.append(chunk->view());
        chunk = co_await next();
    }
    co_return weft::bytes(std::move(all));
}

awaitable<std::string> body::text(std::size_t limit) {
    weft::bytes all = co_await read_all(limit);
    co_return all.str();
}

awaitable<std::uint64_t> body::discard() {
    std::uint64_t total = 0;
    while (std::optional<weft::bytes> chunk = co_await next()) total += chunk->size();
    co_return total;
}

body body::with_trailers(headers fields) && {
    return body(std::make_unique<trailed>(std::move(*this), std::move(fields)));
}

std::optional<body> body::replay() const {
    const source* s = from();
    if (!s) return body(content_);
    if (std::unique_ptr<source> again = s->replay()) return body(std::move(again));
    return std::nullopt;
}

}  // namespace weft::http
