// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/response.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace weft::http {

/// JSON for messages, by Boost.JSON's conversions: a described struct (BOOST_DESCRIBE_STRUCT), a
/// container, or anything with tag_invoke for value_from and value_to.
///
///     struct weather { std::string city; double celsius; };
///     BOOST_DESCRIBE_STRUCT(weather, (), (city, celsius))
///     co_return http::json(weather{"Gent", 17.5});

namespace detail {

/// Parses text as JSON; throws failure(protocol) that says where it went wrong.
boost::json::value parse_json(std::string_view text);

template <class T>
struct json_access {
    static std::string encode(const T& value) {
        return boost::json::serialize(boost::json::value_from(value));
    }
    static T decode(std::string_view text) {
        const boost::json::value parsed = parse_json(text);
        auto converted = boost::json::try_value_to<T>(parsed);
        if (converted.has_error())
            throw failure(failure_kind::protocol, converted.error(),
                          "the JSON has another shape than asked for");
        return std::move(*converted);
    }
};

}  // namespace detail

/// An application/json response made of a value.
template <class T>
    requires(!std::convertible_to<const T&, std::string_view>)
[[nodiscard]] response json(const T& value, status s = status::ok) {
    return json(detail::json_access<T>::encode(value), s);
}

}  // namespace weft::http
