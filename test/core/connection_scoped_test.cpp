// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "allocations.hpp"
#include <weft/core/connection_scoped.hpp>

#include <doctest/doctest.h>

#include <string>
#include <unordered_map>

using weft::connection_scope;
using weft::connection_scoped_of;
using weft::extensions;

namespace {
struct only_to {
    std::string address;
    bool operator==(const only_to&) const = default;
};
struct tls_name {
    std::string name;
    bool operator==(const tls_name&) const = default;
};
struct retry_policy {
    int times;
};
}  // namespace
template <>
struct std::hash<only_to> {
    std::size_t operator()(const only_to& o) const { return std::hash<std::string>{}(o.address); }
};
template <>
struct std::hash<tls_name> {
    std::size_t operator()(const tls_name& o) const { return std::hash<std::string>{}(o.name); }
};
template <>
inline constexpr bool weft::connection_scoped<only_to> = true;
template <>
inline constexpr bool weft::connection_scoped<tls_name> = true;
template <>
inline constexpr bool weft::connection_scoped<weft::secret<std::string>> = true;

TEST_CASE(
    "connection_scoped: only types that say so become part of the scope, and copies outlive the "
    "request") {
    connection_scope scope;
    {
        extensions req;
        req.insert(only_to{"192.0.2.1"});
        req.insert(retry_policy{3});
        req.insert(weft::secret<std::string>("token"));
        scope = connection_scoped_of(req);
    }
    CHECK(scope.size() == 2);
    CHECK(scope.get<only_to>()->address == "192.0.2.1");
    CHECK(scope.get<retry_policy>() == nullptr);
    CHECK(scope.get<weft::secret<std::string>>()->reveal() == "token");
}

TEST_CASE("connection_scoped: without such an entry the scope is null and allocates nothing") {
    extensions req;
    req.insert(retry_policy{3});
    const std::size_t before = test::allocations();
    const connection_scope scope = connection_scoped_of(req);
    CHECK(test::allocations() == before);
    CHECK(scope.empty());
    CHECK(scope == connection_scope());
    CHECK(scope == connection_scoped_of(extensions()));
    CHECK(scope.hash() == connection_scope().hash());
}

TEST_CASE(
    "connection_scoped: scopes are equal when types and values are, in whatever order and depth "
    "they were inserted") {
    extensions a;
    a.insert(only_to{"192.0.2.1"});
    a.insert(tls_name{"example.org"});

    extensions parent;
    parent.insert(only_to{"198.51.100.9"});  // replaced below
    parent.insert(tls_name{"example.org"});
    extensions b = parent.fork();
    b.insert(retry_policy{1});
    b.insert(only_to{"192.0.2.1"});

    const connection_scope x = connection_scoped_of(a);
    const connection_scope y = connection_scoped_of(b);
    CHECK(x == y);
    CHECK(x.hash() == y.hash());
    CHECK(y.size() == 2);

    CHECK_FALSE(connection_scoped_of(parent) == x);  // another value
    extensions fewer;
    fewer.insert(only_to{"192.0.2.1"});
    CHECK_FALSE(connection_scoped_of(fewer) == x);
    CHECK_FALSE(connection_scoped_of(fewer) == connection_scope());
    extensions more = a.fork();
    more.insert(weft::secret<std::string>("t"));
    CHECK_FALSE(connection_scoped_of(more) == x);
    const connection_scope copy = x;
    CHECK(copy == x);
}

TEST_CASE("connection_scoped: it works as a key, and is applied to the connection that it opens") {
    extensions req;
    req.insert(only_to{"192.0.2.1"});
    const unsigned line = __LINE__ - 1;
    req.insert(retry_policy{2});
    std::unordered_map<connection_scope, int> pool;
    pool[connection_scoped_of(req)] = 7;
    pool[connection_scope()] = 1;
    CHECK(pool.at(connection_scoped_of(req)) == 7);
    CHECK(pool.at(connection_scoped_of(extensions())) == 1);

    extensions conn;
    connection_scoped_of(req).apply(conn);
    CHECK(conn.size() == 1);
    CHECK(conn.get<only_to>()->address == "192.0.2.1");
    CHECK(conn.history()[0].where().line() == line);
    CHECK(connection_scoped_of(conn) == connection_scoped_of(req));
    extensions untouched;
    connection_scope().apply(untouched);
    CHECK(untouched.size() == 0);
}
