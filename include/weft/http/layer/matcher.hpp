// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/matcher.hpp>
#include <weft/http/method.hpp>
#include <weft/http/request.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http {

// Matchers of requests (core/matcher.hpp has `&&`, `||`, `!`, and those for extensions).
//
//     auto api = host_is("api.shop.test") && path_under("/v2") && !method_is(method::get);
//     auto app = hijack(api, v2) >> router;

/// One of these methods.
class method_is : public matcher_base {
  public:
    template <class... M>
    explicit method_is(const method& first, const M&... more) : any_{first, method(more)...} {}
    bool operator()(const request& r) const noexcept;

  private:
    std::vector<method> any_;
};

/// Exactly this path, without the query. Percent-encoded letters, digits and "-._~" are the same
/// as plain ones (RFC 3986 6.2.2.2); nothing else is decoded, dots and doubled slashes stay what
/// they are.
class path_is : public matcher_base {
  public:
    explicit path_is(std::string path) : path_(std::move(path)) {}
    bool operator()(const request& r) const noexcept;

  private:
    std::string path_;
};

/// This path, or one below it: "/v1" matches "/v1" and "/v1/a", not "/v10". Compared as in path_is.
class path_under : public matcher_base {
  public:
    explicit path_under(std::string prefix);
    bool operator()(const request& r) const noexcept;

  private:
    std::string prefix_;
};

/// The host that is asked for, without regard to case and port: of an absolute target, else of the
/// Host field (RFC 9112 3.2.2). "*.shop.test" matches what is below it, and not it itself.
class host_is : public matcher_base {
  public:
    explicit host_is(std::string host);
    bool operator()(const request& r) const noexcept;

  private:
    std::string host_;
};

/// There is a field of this name.
class has_header : public matcher_base {
  public:
    explicit has_header(std::string name) : name_(std::move(name)) {}
    bool operator()(const request& r) const noexcept { return r.headers().contains(name_); }

  private:
    std::string name_;
};

/// A field of this name has exactly this value.
class header_is : public matcher_base {
  public:
    header_is(std::string name, std::string value)
        : name_(std::move(name)), value_(std::move(value)) {}
    bool operator()(const request& r) const noexcept;

  private:
    std::string name_, value_;
};

/// The comma-separated list of this name has this element, without regard to case:
/// header_lists("Accept-Encoding", "br").
class header_lists : public matcher_base {
  public:
    header_lists(std::string name, std::string element)
        : name_(std::move(name)), element_(std::move(element)) {}
    bool operator()(const request& r) const noexcept {
        return r.headers().has_token(name_, element_);
    }

  private:
    std::string name_, element_;
};

}  // namespace weft::http
