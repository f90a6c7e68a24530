// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/bytes.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/headers.hpp>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::http {

class body_writer;

/// The content of a message: a source of chunks that is pulled, in requests and responses, on the
/// client and on the server alike.
///
///     while (auto chunk = co_await request.body().next()) total += chunk->size();
///
/// Not pulling is the back-pressure: the peer is read no faster than the body is. Dropping a body
/// that came from a connection drains a little (64 KiB) to keep the connection, or closes it. A
/// body outlives its connection safely: the next pull fails with `unavailable`. Move-only, 32 bytes
/// in size; one content in memory needs no allocation of its own. One pull at a time; a body may be
/// pulled from any executor and hops to its connection's.
class body {
  public:
    /// Where chunks come from. Derive from it for a source of your own.
    class source : public weft::bytes::owner {
      public:
        source() = default;
        ~source() override = default;

        /// The next chunk, never empty, or nullopt at the end; after the
        /// end it stays nullopt. The body awaits one call before it makes
        /// the next. Throws a failure when the content cannot be completed.
        virtual awaitable<std::optional<weft::bytes>> next() = 0;

        /// How many bytes are still to come, where that is
        /// known: it becomes Content-Length, and is held to it.
        [[nodiscard]] virtual std::optional<std::uint64_t> size() const noexcept {
            return std::nullopt;
        }

        /// The trailer fields (RFC 9110 section 6.5), once
        /// next() has given the end; nullptr for none.
        [[nodiscard]] virtual headers* trailers() noexcept { return nullptr; }

        /// The failure of read_all() when there is more than its `limit`: of kind `rejected`. That
        /// of a server's request makes the server answer 413 where the application lets it pass.
        [[nodiscard]] virtual failure too_large(std::size_t limit) const;

        /// The same content again from its first byte, or
        /// nullptr when that cannot be had (the default).
        [[nodiscard]] virtual std::unique_ptr<source> replay() const { return nullptr; }
    };

    /// No content.
    body() noexcept = default;
    // NOLINTBEGIN(google-explicit-constructor): a body is written where one is asked for
    /// One content in memory.
    body(weft::bytes content) noexcept : content_(std::move(content)) {}
    body(std::string content) : content_(weft::bytes(std::move(content))) {}
    body(const char* content) : content_(weft::bytes::copy(content)) {}
    /// A source of your own.
    body(std::unique_ptr<source> s) noexcept : content_(hold(s.release())) {}
    // NOLINTEND(google-explicit-constructor)

    body(body&& other) noexcept = default;
    body& operator=(body&& other) noexcept = default;

    /// A body whose chunks a coroutine makes: `make()` is called for each one and answers a chunk
    /// or nullopt. The body owns `make` and keeps it for as long as a call runs. `size` is how many
    /// bytes it will be in all, where that is known: it becomes Content-Length, and a content that
    /// turns out longer or shorter breaks the connection off.
    ///
    ///     auto b = body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
    ///         if (n == 3) co_return std::nullopt;
    ///         co_return weft::bytes(std::to_string(n++));
    ///     });
    template <class Make>
        requires requires(Make& m) {
            { m() } -> std::same_as<awaitable<std::optional<weft::bytes>>>;
        }
    static body pull(Make make, std::optional<std::uint64_t> size = std::nullopt) {
        return body(std::make_unique<pulled<Make>>(std::move(make), size));
    }

    /// A body that another coroutine writes. The writer waits while `capacity` chunks lie unread;
    /// dropping it without close() makes the reader's next pull fail, and dropping the body makes
    /// the writer's next write fail.
    static std::pair<body_writer, body> channel(std::size_t capacity = 16);

    /// A file, read in chunks of 64 KiB by a thread of its own, so that no event loop waits for a
    /// disk. Throws a failure (unavailable, rejected) naming the path when it cannot be opened,
    /// which happens at once. Can be replayed.
    static body file(const std::filesystem::path& path);

    /// The next chunk, never empty, or nullopt at the end. Cancelling a pull loses no byte.
    awaitable<std::optional<weft::bytes>> next();

    /// Everything that is left, at most `limit` bytes (1 MiB unless said otherwise). More is a
    /// failure of kind `rejected`, and for a server's request a 413 unless it is caught.
    awaitable<weft::bytes> read_all(std::size_t limit = 1024 * 1024);
    /// The same as a string.
    awaitable<std::string> text(std::size_t limit = 1024 * 1024);
    /// Reads to the end and drops it; answers how many bytes there were.
    awaitable<std::uint64_t> discard();

    /// How many bytes are still to come, where that is known.
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept {
        if (const source* s = from()) return s->size();
        return content_.size();
    }
    /// True when there is certainly nothing (more) to pull.
    [[nodiscard]] bool empty() const noexcept { return size() == std::uint64_t{0}; }
    /// The content, when it lies in memory as a whole; nullptr for any other body.
    [[nodiscard]] const weft::bytes* in_memory() const noexcept {
        return from() ? nullptr : &content_;
    }

    /// The failure of read_all() when there is more than `limit`: what a source that wraps another
    /// body gives for its own.
    [[nodiscard]] failure too_large(std::size_t limit) const;

    /// The trailer fields, once next() has given the end; nullptr for none.
    [[nodiscard]] headers* trailers() noexcept { return from() ? from()->trailers() : nullptr; }
    /// The same body with trailer fields behind it.
    [[nodiscard]] body with_trailers(headers fields) &&;

    /// The same content again, or nullopt when it cannot be had. In memory and file bodies can.
    [[nodiscard]] std::optional<body> replay() const;

  private:
    template <class Make>
    struct pulled final : source {
        pulled(Make m, std::optional<std::uint64_t> s) : make(std::move(m)), left(s) {}
        awaitable<std::optional<weft::bytes>> next() override {
            if (done) co_return std::nullopt;
            std::optional<weft::bytes> chunk;
            do {
                chunk = co_await make();
            } while (chunk && chunk->empty());
            if (!chunk)
                done = true;
            else if (left)
                *left -= std::min<std::uint64_t>(*left, chunk->size());
            co_return chunk;
        }
        [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override {
            return done ? std::optional<std::uint64_t>(0) : left;
        }
        Make make;
        std::optional<std::uint64_t> left;
        bool done = false;
    };

    /// A source is held in the same three words, because every layer moves them: it owns a slice
    /// of a size that no memory has, whose address is its own.
    static constexpr std::size_t is_source = std::string_view::npos;
    static weft::bytes hold(source* s) noexcept {
        if (!s) return {};
        return weft::bytes::adopt(
            s, {static_cast<const char*>(static_cast<const void*>(s)), is_source});
    }
    [[nodiscard]] source* from() const noexcept {
        if (content_.size() != is_source) return nullptr;
        return static_cast<source*>(const_cast<void*>(static_cast<const void*>(content_.data())));
    }

    weft::bytes content_;
};

/// The writing end of `body::channel`. Move-only; one write
/// at a time; may live on another executor than the body.
class body_writer {
  public:
    struct shared;
    explicit body_writer(std::shared_ptr<shared> s) noexcept;
    body_writer(body_writer&&) noexcept;
    body_writer& operator=(body_writer&&) noexcept;
    ~body_writer();

    /// Waits for room and hands the chunk on; an empty chunk is dropped. Throws `unavailable` when
    /// the body is gone.
    awaitable<void> write(weft::bytes chunk);
    /// Ends the body, with trailer fields if there are any.
    void close(headers trailers = {});
    /// Ends the body with a failure, which the reader's pull throws.
    void fail(failure f);

  private:
    std::shared_ptr<shared> shared_;
};

}  // namespace weft::http
