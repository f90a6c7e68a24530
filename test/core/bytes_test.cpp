// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/bytes.hpp>

#include <doctest/doctest.h>

using weft::bytes;

TEST_CASE("bytes take a string over and slices share it") {
    std::string text(100, 'x');
    const char* where = text.data();
    bytes whole = std::move(text);
    CHECK(whole.data() == where);
    bytes part = whole.slice(10, 5);
    CHECK(part.data() == where + 10);
    CHECK(part.size() == 5);
    whole = bytes();
    CHECK(part == "xxxxx");
}

TEST_CASE("a slice never leaves its memory") {
    bytes b = bytes::literal("hello");
    CHECK(b.slice(5).empty());
    CHECK(b.slice(99).empty());
    CHECK(b.slice(3, 99) == "lo");
    CHECK(b.slice(0, 0).empty());
    b.remove_prefix(2);
    CHECK(b == "llo");
    b.remove_prefix(9);
    CHECK(b.empty());
}

TEST_CASE("a moved-from bytes is empty and self-assignment is harmless") {
    bytes a = bytes::copy("abc");
    bytes b = std::move(a);
    CHECK(a.empty());  // NOLINT(bugprone-use-after-move): that is the promise
    CHECK(b == "abc");
    bytes& alias = b;
    b = alias;
    CHECK(b == "abc");
    CHECK(std::move(b).slice(1) == "bc");
}

TEST_CASE("an adopted owner is let go with the last reference") {
    struct counting final : bytes::owner {
        explicit counting(int& c) : count(c) {}
        ~counting() override { ++count; }
        int& count;
        char data[4] = {'a', 'b', 'c', 'd'};
    };
    int gone = 0;
    {
        auto* owner = new counting(gone);
        bytes b = bytes::adopt(owner, {owner->data, 4});
        bytes c = b.slice(2);
        b = {};
        CHECK(gone == 0);
        CHECK(c == "cd");
    }
    CHECK(gone == 1);
}

TEST_CASE("short strings and empty text need no owner of their own shape") {
    CHECK(bytes(std::string("ab")) == "ab");
    CHECK(bytes::copy("").empty());
    CHECK(bytes(std::string()).empty());
}
