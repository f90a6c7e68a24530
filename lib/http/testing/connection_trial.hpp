// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/testing/connection_suite.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weft::testing {

struct connection_law_broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The room that a law runs in: fresh connections, and ways to complain.
class connection_trial {
  public:
    using here = std::source_location;

    connection_trial(const connection_factory& make, const connection_suite_options& o,
                     task_scope& s)
        : options(o), scope(s), make_(make) {}

    const connection_suite_options& options;
    task_scope& scope;

    awaitable<connection_pair> connect(http::any_app app, http::server_options server = {},
                                       http::client_options client = {}) const;

    static void expect(bool holds, std::string_view what, here where = here::current()) {
        if (!holds) fail(what, where);
    }
    template <class A, class B>
    static void equal(const A& a, const B& b, std::string_view what, here where = here::current()) {
        if (!(a == b)) fail(what, where);
    }
    [[noreturn]] static void fail(std::string_view what, here where = here::current());

    /// The failure that this comes to; a success breaks the law.
    template <class T>
    static awaitable<failure> failure_of(awaitable<T> work, here where = here::current()) {
        auto r = co_await attempt(std::move(work));
        if (r) fail("it succeeded, though it cannot", where);
        co_return r.error();
    }

    /// Until it holds: what the other side does takes its turns.
    static awaitable<void> until(std::function<bool()> holds, here where = here::current());

  private:
    const connection_factory& make_;
};

/// Apart from the laws of streams, which have the same names.
namespace http_laws {

/// "http://host.test" and the path.
http::request get(std::string_view path);
http::request post(std::string_view path, http::body content);
/// A body of pieces of this text, made one after the other; without a size unless one is given.
http::body repeated(std::string_view piece, std::size_t times,
                    std::optional<std::uint64_t> size = std::nullopt);
/// Sends, and reads the whole content.
awaitable<std::string> content_of(connection_pair& c, http::request r,
                                  std::source_location where = std::source_location::current());

/// Sets an event when it goes: at the end of the coroutine that has it.
struct at_end {
    event& to_set;
    ~at_end() { to_set.set(); }
};

// The laws, by subject.
std::span<const connection_law> message_laws();
std::span<const connection_law> body_laws();
std::span<const connection_law> pace_laws();
std::span<const connection_law> ending_laws();
std::span<const connection_law> sharing_laws();
std::span<const connection_law> limit_laws();

}  // namespace http_laws

}  // namespace weft::testing
