// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/head.hpp>

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http::detail {

/// What a header section that comes in may be.
struct h2_head_limits {
    std::size_t target = 8 * 1024;
    std::size_t block = 16 * 1024;  ///< as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 6.5.2)
    std::size_t fields = 100;
    std::size_t bomb = 8;  ///< times `block`: not read any further
};

/// Puts a message's head, or its trailer fields, together from the fields that HPACK gives, one
/// after the other. nghttp2 has checked that names and values are well-formed, pseudo-header fields
/// come first and once, and none belongs to a connection (RFC 9113 8.2, 8.3). What is beyond a
/// limit is counted and not kept; trailers beyond one are malformed.
class h2_head_builder {
  public:
    enum class kind : std::uint8_t { request, response, trailers };
    enum class verdict : std::uint8_t {
        fine,
        malformed,  ///< the stream is reset
        bomb        ///< the connection ends
    };

    /// `authority`: the last one on this connection that was well-formed, which most repeat.
    void begin(kind k, const h2_head_limits& limits, std::string& authority);
    verdict add(std::string_view name, std::string_view value);
    /// All fields have come.
    verdict finish();

    /// What is to be answered instead of handling the request: 400, 414, 431. 0: nothing.
    [[nodiscard]] int refusal() const noexcept { return refusal_; }
    [[nodiscard]] std::string_view why() const noexcept { return why_; }
    /// As it counts against `block`.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// The :protocol of an extended CONNECT (RFC 8441); empty for none.
    [[nodiscard]] const std::string& protocol() const noexcept { return protocol_; }

    [[nodiscard]] request_head take_request() noexcept { return std::move(request_); }
    [[nodiscard]] response_head take_response() noexcept { return std::move(response_); }
    [[nodiscard]] bool has_trailers() const noexcept { return !trailers_.empty(); }
    [[nodiscard]] http::headers take_trailers() noexcept { return std::move(trailers_); }
    [[nodiscard]] const request_head& request() const noexcept { return request_; }
    [[nodiscard]] const response_head& response() const noexcept { return response_; }

  private:
    verdict pseudo(std::string_view name, std::string_view value);
    void refuse(int status, const char* why) noexcept;

    h2_head_limits limits_;
    request_head request_;
    response_head response_;
    http::headers trailers_;
    std::string protocol_;
    std::size_t size_ = 0;
    std::size_t count_ = 0;
    const char* why_ = "";
    int refusal_ = 0;
    kind kind_ = kind::request;
    bool has_authority_ = false;
    std::string* good_authority_ = nullptr;
};

/// The fields of a message that goes out, as nghttp2 takes them; it copies them, in lower case. The
/// texts are the message's.
class h2_fields {
  public:
    /// What is said beside the message's own fields.
    struct extra {
        std::optional<std::uint64_t> length;  ///< Content-Length; the message's own is left out
        std::string_view date;                ///< unless the message has one
        std::string_view protocol;            ///< of an extended CONNECT
        std::string_view scheme = "http";
        std::string_view order = "masp";  ///< of the pseudo-header fields
    };

    void set_request(const request_head& head, const extra& e);
    void set_response(const response_head& head, const extra& e);
    void set_trailers(const http::headers& fields);

    [[nodiscard]] const nghttp2_nv* data() const noexcept { return list_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

  private:
    /// `lasting`: the name is in lower case, and stays where it is.
    void add(std::string_view name, std::string_view value, bool lasting = true);
    void add_fields(const http::headers& h, const extra& e, bool of_request);

    std::vector<nghttp2_nv> list_;
    char length_[20];
    char status_[3];
};

}  // namespace weft::http::detail
