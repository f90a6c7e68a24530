// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/bytes.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/endpoint.hpp>

#include <boost/asio/buffer.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::net {

/// Makes the bytes of one message: appends them to `out`. Throws what it likes when it cannot.
template <class E, class Item>
concept encoder = requires(E& e, const Item& item, std::string& out) { e.encode(item, out); };

/// Makes a message of the bytes of one frame. Throws what it likes when they are none.
template <class D>
concept decoder = requires(D& d, bytes frame) {
    { d.decode(std::move(frame)) } -> std::move_constructible;
};

/// What a decoder gives.
template <decoder D>
using decoded = decltype(std::declval<D&>().decode(std::declval<bytes>()));

/// Messages instead of bytes over a datagram socket, one a datagram: any socket with `receive` and
/// `send_to` as net::udp::socket has them, and a codec.
///
///     struct numbers {
///         void encode(int n, std::string& out) { out += std::to_string(n); }
///         int decode(bytes frame) { return std::stoi(frame.str()); }
///     };
///     net::framed socket(net::udp::socket(ex, "127.0.0.1:0"), numbers());
///     auto [n, from] = co_await socket.receive();
///     co_await socket.send_to(n + 1, from);
///
/// What the codec throws at a datagram, and one longer than `largest`, is a failure of kind
/// protocol with the sender as `peer` in its context: whoever receives may go on after it.
/// Concurrency, cancellation and other failures are the socket's.
template <class Socket, decoder Codec>
class framed {
  public:
    using item = decoded<Codec>;
    using endpoint_type =
        std::remove_cvref_t<decltype(std::declval<typename Socket::received_type>().from)>;

    struct message {
        item value;
        endpoint_type from;
    };

    /// `largest`: bytes of a datagram that is accepted.
    explicit framed(Socket socket, Codec codec = {}, std::size_t largest = 65'535)
        : socket_(std::move(socket)),
          codec_(std::move(codec)),
          largest_(largest),
          room_(new char[largest]) {}

    [[nodiscard]] Socket& socket() noexcept { return socket_; }
    [[nodiscard]] Codec& codec() noexcept { return codec_; }

    awaitable<message> receive(std::source_location where = std::source_location::current()) {
        auto got = co_await socket_.receive(boost::asio::buffer(room_.get(), largest_), where);
        if (got.truncated())
            throw failure(failure_kind::protocol, "a datagram of " + std::to_string(got.size) +
                                                      " bytes, at most " +
                                                      std::to_string(largest_) + " are accepted")
                .with("peer", to_string(got.from));
        std::optional<item> value;
        std::optional<failure> bad;
        try {
            value.emplace(codec_.decode(bytes::copy({room_.get(), got.bytes})));
        } catch (...) {
            bad = failure::from(std::current_exception());
        }
        if (bad)
            throw failure(failure_kind::protocol, "a datagram that cannot be decoded")
                .with("peer", to_string(got.from))
                .because(std::move(*bad));
        message whole{std::move(*value), std::move(got.from)};
        co_return std::move(whole);
    }

    /// To the peer of a connected socket.
    template <class Item>
        requires encoder<Codec, Item>
    awaitable<void> send(Item value, std::source_location where = std::source_location::current()) {
        std::string frame;
        codec_.encode(value, frame);
        co_await socket_.send(boost::asio::buffer(frame), where);
    }
    template <class Item>
        requires encoder<Codec, Item>
    awaitable<void> send_to(Item value, endpoint_type to,
                            std::source_location where = std::source_location::current()) {
        std::string frame;
        codec_.encode(value, frame);
        co_await socket_.send_to(boost::asio::buffer(frame), to, where);
    }

  private:
    Socket socket_;
    Codec codec_;
    std::size_t largest_;
    std::unique_ptr<char[]> room_;
};

}  // namespace weft::net
