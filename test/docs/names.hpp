// What the examples of headers and pages take for granted: names that mean something to a reader,
// with a value that works. Examples are members of a class derived from `names` (extract.py), so
// each gets fresh ones.
#pragma once

#include "harness.hpp"
#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio.hpp>
#include <boost/describe/class.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

// An example shows one thing: what it leaves unused or compares for show is no mistake.
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-value"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wswitch"
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Wunused-comparison"
#pragma GCC diagnostic ignored "-Wunused-member-function"
#pragma GCC diagnostic ignored "-Wunused-lambda-capture"
#pragma GCC diagnostic ignored "-Wunused-private-field"
#endif

namespace asio = boost::asio;
namespace http = weft::http;
namespace io = weft::io;
namespace net = weft::net;
namespace testing = weft::testing;
namespace tls = weft::tls;
using namespace std::literals;

struct weather {
    std::string city;
    double celsius = 0;
};
BOOST_DESCRIBE_STRUCT(weather, (), (city, celsius))

struct user {
    std::string name;
};

/// An application that answers any request with a report of the weather.
struct report_weather {
    weft::awaitable<http::response> serve(http::request) const {
        co_return http::json(weather{"Gent", 17.5});
    }
};

inline const report_weather app, router, hello, service;
inline report_weather make_app() { return {}; }
inline const std::string address = "127.0.0.1:0", addr = address;

/// What a peer said: at once, and always the same.
inline weft::awaitable<std::string> read_line(io::stream&) { co_return "hello"; }

struct names {
    explicit names(asio::any_io_executor executor_of_the_test)
        : ex(std::move(executor_of_the_test)), executor(ex) {
        auto ends = io::duplex(ex);
        stream = std::move(ends.first);
        peer = std::move(ends.second);
    }

    asio::any_io_executor ex, executor;
    io::stream stream, peer;  // the two ends of one connection

    std::string url = "http://api.test/w";
    std::string host = "api.test";
    int id = 1;

    http::client client{report_weather{}};
    http::request req{http::method::get, "/w"};
    http::request request{http::method::get, "/w"};
    http::response res = http::text("as asked");

    template <class... T>
    static void use(const T&...) {}
    template <class... T>
    static void log(const T&...) {}
    template <class... T>
    static void greet(const T&...) {}
};
