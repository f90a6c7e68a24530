// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace weft {

/// An executor with the promise that what runs on it runs one at a time. Made by single_threaded().
class serial_executor {
  public:
    /// Of an any_io_executor and of nothing that converts to one: else Asio's question whether this
    /// is an executor asks itself.
    template <std::same_as<boost::asio::any_io_executor> Executor>
    explicit serial_executor(Executor inner) noexcept : inner_(std::move(inner)) {}

    template <class Property>
        requires boost::asio::can_query<const boost::asio::any_io_executor&, Property>::value
    decltype(auto) query(const Property& p) const noexcept {
        return boost::asio::query(inner_, p);
    }
    template <class Property>
        requires boost::asio::can_require<const boost::asio::any_io_executor&, Property>::value
    serial_executor require(const Property& p) const {
        return serial_executor(boost::asio::require(inner_, p));
    }
    template <class Property>
        requires boost::asio::can_prefer<const boost::asio::any_io_executor&, Property>::value
    serial_executor prefer(const Property& p) const {
        return serial_executor(boost::asio::prefer(inner_, p));
    }
    template <class F>
    void execute(F&& f) const {
        inner_.execute(std::forward<F>(f));
    }
    friend bool operator==(const serial_executor& a, const serial_executor& b) noexcept {
        return a.inner_ == b.inner_;
    }

  private:
    boost::asio::any_io_executor inner_;
};

/// Promises weft that one thread runs the context behind
/// `ex`: connections on it then get no strand of their own.
///
///     asio::io_context ioc(1);
///     auto serial = single_threaded(ioc.get_executor());
///     asio::co_spawn(serial, http::serve(addr, app), handler);
///     ioc.run();                                       // in one thread
///
/// A promise that is not kept is a data race.
boost::asio::any_io_executor single_threaded(boost::asio::any_io_executor ex);

/// Whether what runs on `ex` runs one at a time: a strand (over any Asio executor),
/// single_threaded(), or a context that weft itself runs with one thread. Looks the context up: ask
/// once per connection.
bool is_serial(const boost::asio::any_io_executor& ex);

/// `ex` itself when it is serial, else a new strand on it.
boost::asio::any_io_executor serialized(boost::asio::any_io_executor ex);

}  // namespace weft
