// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/system/system_error.hpp>

#include <any>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

/// Where a failure came from.
enum class failure_domain : unsigned char { transport, protocol, application, local };

/// What kind of failure it is: what a retry policy, a breaker, a route or a gRPC status asks first.
enum class failure_kind : unsigned char {
    unavailable,     ///< the peer refused, reset, vanished or could not be reached
    timeout,         ///< a time limit ran out
    rejected,        ///< a limit or a policy said no
    authentication,  ///< the peer or its credentials could not be trusted
    protocol,        ///< the peer broke the protocol
    invalid_input,   ///< the caller asked for something that cannot be done
    cancelled,       ///< the caller took the request back
    exhausted,       ///< memory, descriptors or another resource ran out
    internal         ///< a fault of this program
};

/// Whether the peer may have acted on the request: `not_sent` is always safe to send again.
enum class delivery : unsigned char { not_sent, unknown, processed };

std::string_view to_string(failure_domain) noexcept;
std::string_view to_string(failure_kind) noexcept;
std::string_view to_string(delivery) noexcept;

/// The one error of weft. Everything that a service, a stream or a driver throws is a `failure`, or
/// becomes one through `failure::from`.
///
///     throw failure(failure_kind::timeout, "no response header within 30 s")
///         .with("host", host).in(failure_domain::transport).delivered(delivery::unknown);
///
///     auto r = co_await attempt(client.get(url).send());
///     if (!r && r.error().kind() == failure_kind::timeout) ...
///
/// Copying shares the content and never throws. `what()` is the message, the context and the chain
/// of causes on one line. Context values are printed: never put a secret in one. Const access is
/// safe from several threads.
class failure final : public boost::system::system_error {
  public:
    using duration = std::chrono::steady_clock::duration;

    explicit failure(failure_kind kind, std::string message,
                     std::source_location where = std::source_location::current());
    failure(failure_kind kind, boost::system::error_code code, std::string message,
            std::source_location where = std::source_location::current());

    failure(const failure&) noexcept;
    failure& operator=(const failure&) noexcept;
    ~failure() override;

    /// Classifies anything: a failure is returned as it is, a system_error keeps its `code()` and
    /// is classified by it, std::bad_alloc is `exhausted`, any other exception is `internal` with
    /// its `what()`. Null gives `internal`.
    static failure from(std::exception_ptr e) noexcept;

    /// Classifies an error code, as `from` does for a system_error.
    static failure from(boost::system::error_code code, std::string message,
                        std::source_location where = std::source_location::current());

    [[nodiscard]] const char* what() const noexcept override;

    [[nodiscard]] failure_kind kind() const noexcept;
    [[nodiscard]] failure_domain domain() const noexcept;
    [[nodiscard]] weft::delivery delivered() const noexcept;
    /// When the peer, or a limit, asked to wait before the next try.
    [[nodiscard]] std::optional<duration> retry_after() const noexcept;
    [[nodiscard]] std::string_view message() const noexcept;
    [[nodiscard]] std::source_location where() const noexcept;
    /// The failure below this one, or nullptr.
    [[nodiscard]] const failure* cause() const noexcept;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& context() const noexcept;
    /// The first context value under `key`, or nullopt.
    [[nodiscard]] std::optional<std::string_view> context(std::string_view key) const noexcept;

    /// A typed detail that a protocol attached (an HTTP status to answer with, say), or nullptr.
    template <class T>
    [[nodiscard]] const T* detail() const noexcept {
        for (const std::any& d : details())
            if (auto* found = std::any_cast<T>(&d)) return found;
        return nullptr;
    }

    // Each of these gives back the failure with one thing more. A shared content is copied first.
    failure with(std::string_view key, std::string_view value) &&;
    failure with(std::string_view key, long long value) &&;
    failure in(failure_domain) &&;
    failure delivered(weft::delivery) &&;
    failure after(duration retry_after) &&;
    failure because(failure cause) &&;
    template <class T>
    failure detail(T value) && {
        add_detail(std::any(std::move(value)));
        return std::move(*this);
    }

  private:
    struct content;
    failure(boost::system::error_code code, std::shared_ptr<content> c) noexcept;
    [[nodiscard]] const std::vector<std::any>& details() const noexcept;
    void add_detail(std::any);
    content& edit();

    std::shared_ptr<content> content_;
};

}  // namespace weft
