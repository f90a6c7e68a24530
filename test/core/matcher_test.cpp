// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/matcher.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <string>

using namespace weft;

namespace {

/// A request of a program of its own, not HTTP.
struct order {
    int amount = 0;
    weft::extensions ext;
    const weft::extensions& extensions() const noexcept { return ext; }
};
struct user {
    std::string name;
};
struct peer {
    int address;
    friend bool operator==(const peer&, const peer&) = default;
};

const auto large = match([](const order& o) { return o.amount > 100; });
const auto even = match([](const order& o) { return o.amount % 2 == 0; });

order of(int amount) { return {amount, {}}; }

}  // namespace

TEST_CASE("a lambda is a matcher, and matchers combine") {
    CHECK(large(of(101)));
    CHECK_FALSE(large(of(100)));
    CHECK((large && even)(of(102)));
    CHECK_FALSE((large && even)(of(101)));
    CHECK_FALSE((large && even)(of(2)));
    CHECK((large || even)(of(2)));
    CHECK((large || even)(of(101)));
    CHECK_FALSE((large || even)(of(3)));
    CHECK((!large)(of(3)));
    CHECK((!(large && even) || match_any{})(of(102)));
    CHECK((large && !even)(of(101)));
}

TEST_CASE("a bare lambda may stand beside a matcher, on either side") {
    const auto small = [](const order& o) { return o.amount < 10; };
    CHECK((even && small)(of(8)));
    CHECK((small && even)(of(8)));
    CHECK_FALSE((small && even)(of(9)));
    CHECK((large || small)(of(9)));
}

TEST_CASE("what is on the right is asked only when it counts") {
    int asked = 0;
    const auto counted = match([&asked](const order&) { return ++asked > 0; });
    CHECK_FALSE((large && counted)(of(1)));
    CHECK((even || counted)(of(2)));
    CHECK(asked == 0);
    CHECK((even && counted)(of(2)));
    CHECK(asked == 1);
}

TEST_CASE("a matcher can be stored where a function is wanted") {
    const std::function<bool(const order&)> stored = large && even;
    CHECK(stored(of(102)));
    static_assert(matcher<decltype(large), order>);
    static_assert(!matcher<decltype(large), std::string>);
}

TEST_CASE("extensions are matched by type and by value, in the store and in what it forks") {
    const auto known = has_extension<user>();
    const auto ann = extension_is<user>([](const user& u) { return u.name == "ann"; });
    order o;
    CHECK_FALSE(known(o));
    CHECK_FALSE(ann(o));
    o.ext.insert(user{"bob"});
    CHECK(known(o));
    CHECK_FALSE(ann(o));
    order attempt{1, o.ext.fork()};
    CHECK(known(attempt));
    attempt.ext.insert(user{"ann"});
    CHECK(ann(attempt));
    CHECK_FALSE(ann(o));
    CHECK(extension_is<int>(3)(order{}) == false);
    o.ext.insert(3);
    CHECK(extension_is<int>(3)(o));
    CHECK_FALSE(extension_is<int>(4)(o));
}

TEST_CASE("a fact of the connection is looked for there, and nowhere else") {
    const auto local = connection_is<peer>(peer{127});
    const auto has_peer = connection_has<peer>();
    extensions connection;
    connection.insert(peer{127});

    order over_it;
    over_it.ext.set_ingress(connection.link());
    CHECK(has_peer(over_it));
    CHECK(local(over_it));
    CHECK_FALSE(connection_is<peer>([](const peer& p) { return p.address == 10; })(over_it));

    // What a request says of itself does not count for its connection.
    order lying;
    extensions other;
    other.insert(peer{10});
    lying.ext.set_ingress(other.link());
    lying.ext.insert(peer{127});
    CHECK_FALSE(local(lying));

    // A request that is a connection has its own facts.
    order stream;
    stream.ext.insert(peer{127});
    CHECK(local(stream));
}

TEST_CASE("a request without extensions matches no extension") {
    CHECK_FALSE(has_extension<user>()(1));
    CHECK_FALSE(connection_has<peer>()(1));
    CHECK((!has_extension<user>())(1));
}
