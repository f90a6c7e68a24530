// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "allocations.hpp"
#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using weft::extensions;
using weft::extensions_link;

namespace {

struct user {
    std::string name;
};
struct peer {
    int number;
};
struct health {  // cannot move
    explicit health(int l = 0) : limit(l) {}
    int limit;
    mutable std::atomic<int> requests{0};
};

std::vector<std::string> names(const extensions& e) {
    std::vector<std::string> out;
    for (const user& u : e.all<user>()) out.push_back(u.name);
    return out;
}

struct counted {
    explicit counted(int& n) : live(&n) { ++*live; }
    counted(const counted& o) : live(o.live) { ++*live; }
    ~counted() { --*live; }
    int* live;
};

}  // namespace

// What may not be inserted. The classes stand for those of other rooms.
namespace {
struct request_like {
    const weft::extensions& extensions() const;
};
struct connect_request_like {
    weft::extensions extensions;
};
struct stream_like {};
}  // namespace
template <>
inline constexpr bool weft::never_an_extension<stream_like> = true;

static_assert(weft::may_be_extension<user> && weft::may_be_extension<health> &&
              weft::may_be_extension<int>);
static_assert(!weft::may_be_extension<extensions>);
static_assert(!weft::may_be_extension<extensions_link>);
static_assert(!weft::may_be_extension<weft::any_service<int, int>>);
static_assert(!weft::may_be_extension<request_like>);
static_assert(!weft::may_be_extension<connect_request_like>);
static_assert(!weft::may_be_extension<stream_like>);
static_assert(!weft::may_be_extension<std::shared_ptr<request_like>>);
static_assert(!weft::may_be_extension<std::shared_ptr<const stream_like>>);
static_assert(!weft::may_be_extension<std::unique_ptr<std::vector<extensions>>>);
static_assert(!weft::may_be_extension<std::optional<connect_request_like>>);
static_assert(!weft::may_be_extension<const user>);
static_assert(!weft::may_be_extension<int&>);
static_assert(!weft::may_be_extension<int[3]>);

static_assert(sizeof(extensions) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<extensions>);
static_assert(std::is_nothrow_move_constructible_v<extensions>);
static_assert(std::is_copy_constructible_v<extensions_link>);

TEST_CASE("extensions: an empty store finds nothing and allocates nothing") {
    const std::size_t before = test::allocations();
    extensions e;
    CHECK(e.get<user>() == nullptr);
    CHECK(e.get_anywhere<user>() == nullptr);
    CHECK(e.all<user>().empty());
    CHECK(e.size() == 0);
    CHECK_FALSE(e.ingress());
    CHECK_FALSE(e.egress());
    CHECK_FALSE(e.ticks());
    CHECK(e.history().empty());
    extensions moved = std::move(e);
    moved = extensions();
    CHECK(test::allocations() == before);
}

TEST_CASE("extensions: get gives the newest of its type, all gives every one, newest first") {
    const extensions e;
    e.insert(user{"ann"});
    e.insert(peer{1});
    e.insert(user{"bob"});
    e.insert(user{"cem"});
    CHECK(e.get<user>()->name == "cem");
    CHECK(e.get<peer>()->number == 1);
    CHECK(e.get<int>() == nullptr);
    CHECK(names(e) == std::vector<std::string>{"cem", "bob", "ann"});
    CHECK(e.all<user>()[1].name == "bob");
    CHECK(e.size() == 4);
}

TEST_CASE("extensions: a value never moves, however many follow") {
    extensions e;
    const user& first = e.insert(user{"first"});
    std::vector<const std::string*> where;
    for (int i = 0; i < 5000; ++i) where.push_back(&e.insert(user{std::to_string(i)}).name);
    extensions moved = std::move(e);
    CHECK(&moved.all<user>()[5000] == &first);
    CHECK(first.name == "first");
    for (int i = 0; i < 5000; ++i) CHECK(*where[static_cast<std::size_t>(i)] == std::to_string(i));
}

TEST_CASE("extensions: there is no cap on types, entries or sizes") {
    extensions e;
    struct big {
        std::array<char, 100000> data;
    };
    for (int i = 0; i < 3; ++i) {
        big b{};
        b.data.back() = static_cast<char>('a' + i);
        e.insert(b);
        e.insert(i);
    }
    CHECK(e.get<big>()->data.back() == 'c');
    CHECK(e.all<big>()[2].data.back() == 'a');
    CHECK(*e.get<int>() == 2);
}

TEST_CASE("extensions: values are aligned as their type asks") {
    struct alignas(16) wide {
        char c;
    };
    struct alignas(128) wider {
        char c;
    };
    extensions e;
    for (int i = 0; i < 20; ++i) {
        e.insert('x');
        CHECK(reinterpret_cast<std::uintptr_t>(&e.insert(wide{'w'})) % 16 == 0);
        CHECK(reinterpret_cast<std::uintptr_t>(&e.insert(wider{'W'})) % 128 == 0);
        CHECK(e.get<wider>()->c == 'W');
        CHECK(e.get<wide>()->c == 'w');
    }
}

TEST_CASE("extensions: a type that cannot move is built in place") {
    extensions e;
    CHECK(e.emplace<health>().limit == 0);
    CHECK(e.emplace<health>(7).limit == 7);
    CHECK(e.insert_with<health>([] { return health(9); }).limit == 9);
    e.get<health>()->requests++;
    CHECK(e.get<health>()->requests == 1);
    CHECK(e.emplace<std::string>(3U, 'z') == "zzz");
}

TEST_CASE("extensions: values die once, newest first, when the last owner goes") {
    int live = 0;
    {
        extensions e;
        for (int i = 0; i < 100; ++i) e.insert(counted(live));
        CHECK(live == 100);
        extensions child = e.fork();
        child.insert(counted(live));
        e = extensions();
        CHECK(live == 101);  // the fork holds its parent
    }
    CHECK(live == 0);

    std::string order;
    struct tells {
        tells(std::string& t, char ch) : to(&t), c(ch) {}
        tells(tells&& o) noexcept : to(std::exchange(o.to, nullptr)), c(o.c) {}
        ~tells() {
            if (to) to->push_back(c);
        }
        std::string* to;
        char c;
    };
    {
        extensions e;
        e.insert(tells(order, 'a'));
        e.insert(tells(order, 'b'));
    }
    CHECK(order == "ba");
}

TEST_CASE("extensions: when making a value throws, nothing was inserted") {
    extensions e;
    e.insert(user{"ann"});
    CHECK_THROWS_AS(e.insert_with<user>([]() -> user { throw std::runtime_error("no"); }),
                    std::runtime_error);
    CHECK_THROWS_AS(e.insert_with<peer>([]() -> peer { throw std::runtime_error("no"); }),
                    std::runtime_error);
    CHECK(e.get<peer>() == nullptr);
    CHECK(e.size() == 1);
    CHECK(names(e) == std::vector<std::string>{"ann"});
    e.insert(peer{2});
    CHECK(e.get<peer>()->number == 2);
}

TEST_CASE("extensions: a fork sees its parent's entries, now and later, and never the reverse") {
    extensions parent;
    parent.insert(user{"ann"});
    extensions child = parent.fork();
    extensions grandchild = child.fork();
    CHECK(child.get<user>()->name == "ann");
    CHECK(grandchild.get<user>() == parent.get<user>());  // the same object, no copy

    child.insert(peer{1});
    CHECK(grandchild.get<peer>()->number == 1);
    CHECK(parent.get<peer>() == nullptr);

    parent.insert(user{"bob"});  // later than the fork
    CHECK(grandchild.get<user>()->name == "bob");
    child.insert(user{"cem"});
    CHECK(names(grandchild) == std::vector<std::string>{"cem", "bob", "ann"});
    CHECK(names(parent) == std::vector<std::string>{"bob", "ann"});

    // Newest is newest: a parent's later fact is not hidden by the fork's older one.
    parent.insert(user{"dee"});
    CHECK(child.get<user>()->name == "dee");
    CHECK(names(grandchild) == std::vector<std::string>{"dee", "cem", "bob", "ann"});
    CHECK(parent.size() == 3);
    CHECK(child.size() == 2);
    CHECK(grandchild.size() == 0);
}

TEST_CASE("extensions: a fork of an empty store is a live view too") {
    extensions parent;
    extensions child = parent.fork();
    extensions sibling = parent.fork();
    parent.insert(user{"ann"});
    CHECK(child.get<user>()->name == "ann");
    child.insert(peer{1});
    CHECK(sibling.get<peer>() == nullptr);
    CHECK(sibling.get<user>()->name == "ann");
}

TEST_CASE(
    "extensions: a fork outlives its parent's owner, and a hundred thousand in a row end without "
    "recursion") {
    extensions last;
    {
        extensions root;
        root.insert(user{"ann"});
        last = root.fork();
    }
    CHECK(last.get<user>()->name == "ann");
    for (int i = 0; i < 100'000; ++i) last = last.fork();
    last.insert(1);
    CHECK(last.get<user>()->name == "ann");
    last = extensions();
}

TEST_CASE("extensions: links to the connections are fields, not entries, and pass to forks") {
    extensions in, out;
    in.insert(peer{1});
    out.insert(peer{2});
    extensions req;
    req.set_ingress(in.link());
    CHECK(req.size() == 0);
    CHECK(req.history().empty());
    CHECK(req.get<peer>() == nullptr);  // apart
    CHECK(req.ingress().get<peer>()->number == 1);
    CHECK(req.get_anywhere<peer>()->number == 1);
    CHECK_FALSE(req.egress());

    extensions attempt = req.fork();
    attempt.set_egress(out.link());
    CHECK(attempt.ingress() == in.link());
    CHECK(attempt.egress().get<peer>()->number == 2);
    CHECK_FALSE(req.egress());  // never the reverse
    CHECK(attempt.get_anywhere<peer>()->number == 1);
    attempt.insert(peer{3});
    CHECK(attempt.get_anywhere<peer>()->number == 3);

    req.set_ingress(extensions_link());  // nothing
    CHECK(req.ingress() == in.link());
    CHECK(req.ingress().fork().get<peer>()->number == 1);
    CHECK_FALSE(extensions_link().fork().get<peer>());
    CHECK(extensions_link().get<peer>() == nullptr);
    CHECK(extensions_link().all<peer>().empty());
    CHECK(extensions_link().history().empty());
    CHECK_FALSE(extensions_link().ingress());
}

TEST_CASE(
    "extensions: a link keeps the store alive after the connection is gone, and a later one takes "
    "its place") {
    int live = 0;
    {
        extensions req;
        extensions_link first;
        {
            extensions conn;
            conn.insert(counted(live));
            req.set_egress(conn.link());
            first = req.egress();
        }
        CHECK(live == 1);
        extensions second;
        second.insert(peer{2});
        for (int i = 0; i < 3; ++i) req.set_egress(second.link());
        CHECK(req.egress() == second.link());
        first = extensions_link();
        CHECK(live == 1);  // who read it from the request may still use it
    }
    CHECK(live == 0);
}

TEST_CASE("extensions: a link that would close a circle is refused") {
    extensions a, b;
    a.insert(1);
    b.insert(1);
    const auto refused = [](const extensions& from, const extensions& to) {
        try {
            from.set_egress(to.link());
        } catch (const weft::failure& f) {
            return f.kind() == weft::failure_kind::invalid_input;
        }
        return false;
    };
    CHECK(refused(a, a));
    CHECK(refused(a, a.fork()));
    a.set_ingress(b.link());
    CHECK(refused(b, a));
    extensions child = a.fork();
    child.insert(1);
    CHECK(refused(b, child));
    CHECK_FALSE(refused(child, b));
}

TEST_CASE("extensions: get_or_insert makes one entry for all who ask") {
    extensions conn;
    extensions req;
    req.set_ingress(conn.link());
    for (int i = 0; i < 3; ++i)
        req.ingress().get_or_insert<health>([] { return health(5); }).requests++;
    CHECK(conn.size() == 1);
    CHECK(conn.get<health>()->requests == 3);
    extensions fork = conn.fork();
    CHECK(&fork.get_or_insert<health>([] { return health(6); }) == conn.get<health>());
}

TEST_CASE("extensions: a million requests leave the connection's entry count unchanged") {
    extensions conn;
    conn.insert(peer{1});
    conn.insert(user{"ann"});
    conn.emplace<health>();
    const std::size_t before = conn.size();
    for (int i = 0; i < 1'000'000; ++i) {
        extensions req;
        req.set_ingress(conn.link());
        req.insert(i);
        req.ingress().get<health>()->requests.fetch_add(1, std::memory_order_relaxed);
    }
    CHECK(conn.size() == before);
    CHECK(conn.history().size() == before);
    CHECK(conn.get<health>()->requests == 1'000'000);
}

TEST_CASE("extensions: the first small entries take one allocation, a fork and a request none") {
    if (!test::counts_allocations()) return;
    const auto allocations_of = [](auto&& work) {
        const std::size_t before = test::allocations();
        work();
        return test::allocations() - before;
    };
    extensions conn;
    CHECK(allocations_of([&] {
              conn.insert(peer{1});
              conn.insert(1L);
              conn.insert('x');
          }) == 1);
    CHECK(allocations_of([&] { (void)conn.link(); }) == 0);
    CHECK(allocations_of([&] { (void)conn.fork(); }) == 0);
    CHECK(allocations_of([&] {
              extensions stream = conn.fork();
              CHECK(stream.get<peer>()->number == 1);
              extensions child = std::move(stream);
          }) == 0);
    CHECK(allocations_of([&] {
              extensions req;
              req.set_ingress(conn.link());
              CHECK(req.ingress().get<peer>()->number == 1);
          }) == 0);
    CHECK(allocations_of([&] {
              extensions req;
              req.set_ingress(conn.link());
              req.insert(1L);
              req.insert(2);
          }) == 1);
    CHECK(allocations_of([&] {
              extensions req = conn.fork();
              req.insert(1L);
          }) == 1);
    CHECK(allocations_of([&] { (void)extensions().fork().fork(); }) ==
          2);  // an identity for each that is looked through
    CHECK(allocations_of([&] { CHECK(conn.all<long>().size() == 1); }) == 0);
}

TEST_CASE("extensions: swap and move leave both usable") {
    extensions a, b;
    a.insert(user{"ann"});
    swap(a, b);
    CHECK(a.get<user>() == nullptr);
    CHECK(b.get<user>()->name == "ann");
    extensions& self = b;
    b = std::move(self);
    CHECK(b.get<user>()->name == "ann");
    a = std::move(b);
    b.insert(user{"bob"});  // NOLINT(bugprone-use-after-move): moved from is empty, as documented
    CHECK(b.get<user>()->name == "bob");
    CHECK(a.get<user>()->name == "ann");
}
