// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_request.hpp>
#include <weft/net/matcher.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace weft;

namespace {

/// A request that came in from `peer` to `local`.
net::connect_request from(std::string_view peer, std::string_view local = "192.0.2.1:80") {
    extensions connection;
    connection.insert(net::peer_endpoint{net::parse_endpoint(peer)});
    connection.insert(net::local_endpoint{net::parse_endpoint(local)});
    net::connect_request r;
    r.extensions().set_ingress(connection.link());
    return r;
}

}  // namespace

TEST_CASE("peer_in: networks and single addresses, IPv4 and IPv6") {
    struct row {
        const char* network;
        const char* peer;
        bool match;
    };
    const row rows[] = {
        {"10.0.0.0/8", "10.255.1.2:1", true},
        {"10.0.0.0/8", "11.0.0.1:1", false},
        {"192.0.2.128/25", "192.0.2.200:1", true},
        {"192.0.2.128/25", "192.0.2.127:1", false},
        {"192.0.2.7", "192.0.2.7:1", true},
        {"192.0.2.7", "192.0.2.8:1", false},
        {"192.0.2.7/32", "192.0.2.7:1", true},
        {"0.0.0.0/0", "203.0.113.9:1", true},
        {"0.0.0.0/0", "[2001:db8::1]:1", false},
        {"2001:db8::/32", "[2001:db8:1::1]:1", true},
        {"2001:db8::/32", "[2001:db9::1]:1", false},
        {"2001:db8::/33", "[2001:db8:8000::1]:1", false},
        {"::/0", "10.0.0.1:1", false},
        {"10.0.0.0/8", "[::ffff:10.1.2.3]:1", true},
    };
    for (const row& r : rows) {
        CAPTURE(r.network);
        CAPTURE(r.peer);
        CHECK(net::peer_in({r.network})(from(r.peer)) == r.match);
    }
    CHECK(net::peer_in({"10.0.0.0/8", "fd00::/8"})(from("[fd12::1]:1")));
    CHECK_FALSE(net::peer_in({"0.0.0.0/0"})(net::connect_request()));
}

TEST_CASE("what is no network is refused and quoted") {
    for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "::/129",
                             "example.org", "10.0.0", "/8"}) {
        CAPTURE(text);
        CHECK_THROWS_WITH_AS(net::network_list({std::string_view(text)}), doctest::Contains(text),
                             failure);
    }
}

TEST_CASE("loopback and our own port") {
    CHECK(net::peer_is_loopback()(from("127.1.2.3:1")));
    CHECK(net::peer_is_loopback()(from("[::1]:1")));
    CHECK_FALSE(net::peer_is_loopback()(from("128.0.0.1:1")));
    CHECK(net::local_port_is(80)(from("127.0.0.1:1")));
    CHECK_FALSE(net::local_port_is(81)(from("127.0.0.1:1")));
    CHECK((net::local_port_is(80) && !net::peer_is_loopback())(from("10.0.0.1:1")));
}

TEST_CASE("by_peer_address: one key a client") {
    const net::by_peer_address key;
    CHECK(key(from("10.0.0.1:1")) == key(from("10.0.0.1:2")));
    CHECK(key(from("10.0.0.1:1")) != key(from("10.0.0.2:1")));
    CHECK(key(from("[2001:db8::1]:1")) == key(from("[2001:db8::ffff:2]:1")));
    CHECK(key(from("[2001:db8:0:1::1]:1")) != key(from("[2001:db8::1]:1")));
    CHECK(key(from("[::ffff:10.0.0.1]:1")) == key(from("10.0.0.1:1")));
    CHECK_FALSE(key(net::connect_request()));
}
