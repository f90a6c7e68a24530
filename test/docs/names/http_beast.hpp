#pragma once

struct names_http_beast : names {
    using names::names;
    http::request r;
    static boost::beast::http::response<boost::beast::http::string_body> handle_request(
        boost::beast::http::request<boost::beast::http::string_body>);
};
