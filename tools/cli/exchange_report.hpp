// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/response.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::cli {

/// What `-v` and `-w` tell of an exchange that has come to its end: where its time went, and what
/// `-w` asks for. It reads what the client left in the response's extensions.
class exchange_report {
  public:
    /// `r` outlives it; its body has been read.
    exchange_report(const http::response& r, std::string url, std::chrono::nanoseconds total,
                    std::uint64_t received)
        : response_(r), url_(std::move(url)), total_(total), received_(received) {}

    /// "dns=1.2ms connect=20.1ms tls=41.0ms wait=80.3ms body=3.1ms in all 145.7ms"
    [[nodiscard]] std::string times() const;
    /// curl's --write-out. A variable that is not known is left as it stands.
    [[nodiscard]] std::string write_out(std::string_view format) const;

  private:
    [[nodiscard]] std::chrono::nanoseconds phase(std::string_view name) const;
    [[nodiscard]] std::string variable(std::string_view name) const;

    const http::response& response_;
    std::string url_;
    std::chrono::nanoseconds total_;
    std::uint64_t received_;
};

}  // namespace weft::cli
