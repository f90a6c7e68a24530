// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/request.hpp>
#include <weft/http/status.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace weft::http::detail {

/// What a connection of a server tells: to the observer in its store, and to on_failure. Whether
/// anybody listens is looked up once, so that nobody's silence costs a request one branch.
class server_report {
  public:
    server_report(const extensions& of_connection, const std::function<void(const failure&)>& told);
    server_report(const server_report&) = delete;
    server_report& operator=(const server_report&) = delete;
    ~server_report();

    /// Names the request that the next three are about, in `call`: when somebody will hear of it.
    void begin(const request& r, std::string& call) const {
        if (is_heard()) name_call(r, call);
    }
    /// Whether anybody will hear of it.
    [[nodiscard]] bool is_heard() const noexcept { return listens_ || told_; }
    void answered(http::status s) const {
        if (listens_) count_request(s);
    }
    /// The application threw, and is answered with `s`.
    void threw(const failure& f, http::status s, std::string_view call) const;
    /// The body of a response that was begun could not be made to its end.
    void broke_off(const failure& f, std::string_view call) const;
    /// What came was no request to be served.
    void refused(http::status s, std::string_view why) const;

  private:
    static void name_call(const request& r, std::string& call);
    void count_request(http::status s) const;

    const std::function<void(const failure&)>& told_;
    extensions store_;  // sees the connection's, and outlives its stream
    bool listens_;
};

}  // namespace weft::http::detail
