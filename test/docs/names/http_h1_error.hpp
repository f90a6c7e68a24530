#pragma once

struct names_http_h1_error : names {
    using names::names;
    http::h1::request_decoder decoder;
};
