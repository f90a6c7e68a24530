// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/printable.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

TEST_CASE("what is printed of a text of somebody else's controls no terminal and ends no line") {
    struct row {
        std::string_view text;
        std::string_view shown;
    };
    using namespace std::string_view_literals;
    const row rows[] = {
        {"", ""},
        {R"(plain "text" \ of ä and 漢)", R"(plain "text" \ of ä and 漢)"},
        {"\x1b[2J\r\n\t\0\x7f"sv, R"(\1B[2J\0D\0A\09\00\7F)"},
        {"\xc2\x9b"
         "31m",
         R"(\C2\9B31m)"},  // C1
        {"\xe2\x80\xae"
         "txt",
         R"(\E2\80\AEtxt)"},  // right to left
        {"\xd8\x9c\xe2\x80\xa8\xef\xbb\xbf", R"(\D8\9C\E2\80\A8\EF\BB\BF)"},
        {"a\xff\xc3", R"(a\FF\C3)"},                     // no UTF-8
        {"\xc0\x9b\xed\xa0\x80", R"(\C0\9B\ED\A0\80)"},  // overlong, a surrogate
    };
    for (const row& r : rows) CHECK(weft::printable(r.text) == r.shown);
}
