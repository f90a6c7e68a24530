// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/testing/layer_suite.hpp>

#include <span>

namespace weft::testing {

/// testing::layer_suite for layers around services of HTTP; its laws are those of all layers, and
/// that messages pass with their extensions, that bodies and trailers stream through both ways
/// without being collected, and that it works on both sides of the real codecs.
///
///     testing::http_layer_suite suite([] { return http::timeout(5s); });
///     for (const testing::http_layer_law& law : testing::http_layer_laws()) {
///         INFO(law.name);
///         CHECK(suite.check(law) == "");
///     }
using http_layer_suite = basic_layer_suite<http::request, http::response>;
using http_layer_law = layer_law<http::request, http::response>;

/// All laws of layers around services of HTTP.
std::span<const http_layer_law> http_layer_laws();

}  // namespace weft::testing
