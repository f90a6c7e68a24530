#!/usr/bin/env python3
"""test/docs/extract.py finds every block, splits it as C++ does and names what it does not cover."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../tools')]
import extract  # noqa: E402
import summary  # noqa: E402


def texts(code):
    return [code[a:b] for a, b in extract.chunks(code)]


def piece(code, hidden=()):
    return extract.piece(extract.block('docs/a.md', 1, '', code.split('\n'), hidden))


class extracting(unittest.TestCase):
    def test_fenced_blocks_are_found_with_their_line_and_mark(self):
        found = list(extract.blocks_of_markdown('a.md', 'x\n```cpp\nint a;\n```\n```text\nno\n```\n```cpp wrong\nb\n```\n'))
        self.assertEqual([(b.line, b.mark, b.lines) for b in found], [(3, '', ['int a;']), (9, 'wrong', ['b'])])

    def test_hidden_lines_go_before_their_block(self):
        found = list(extract.blocks_of_markdown('a.md', '<!-- hidden\nint a = 1;\n-->\n```cpp\na;\n```\n'))
        self.assertEqual(found[0].hidden, [(2, 'int a = 1;')])

    def test_misspelt_marks_unclosed_blocks_and_lost_hidden_lines_are_refused(self):
        for text in ('```cpp rnu\n```\n', '```cpp\nint a;\n', '<!-- hidden\nint a;\n-->\n\nText.\n', '<!-- hidden\nint a;\n-->\n```text\n```\n'):
            with self.subTest(text), self.assertRaises(extract.broken):
                list(extract.blocks_of_markdown('a.md', text))

    def test_indented_comment_lines_of_headers_are_examples(self):
        found = list(extract.blocks_of_header('a.hpp', '/// Brief.\n///\n///     a();\n///\n///     b();   // c\n///\n/// More.\nint x;\n'))
        self.assertEqual([(b.line, b.lines) for b in found], [(3, ['a();', '', 'b();   // c'])])

    def test_statements_and_declarations_end_where_they_end(self):
        for code, parts in (
            ('int a = 1; f(a);', ['int a = 1;', 'f(a);']),
            ('for (;;) { x(); } y();', ['for (;;) { x(); }', 'y();']),
            ('if (a) { b(); } else { c(); } d();', ['if (a) { b(); } else { c(); }', 'd();']),
            ('auto f = [](int n) -> int { return n; }; f(1);', ['auto f = [](int n) -> int { return n; };', 'f(1);']),
            ('struct s { int a; }; s v{1};', ['struct s { int a; };', 's v{1};']),
            ('awaitable<void> f(int n) { g(";}"); } f(2);', ['awaitable<void> f(int n) { g(";}"); }', 'f(2);']),
            ('#include <a>\nint main() { }', ['#include <a>', 'int main() { }']),
            ('http::request r{m, "/"}; // } {\nuse(r);', ['http::request r{m, "/"};', 'use(r);']),
            ("g('}'); h(1'000);", ["g('}');", "h(1'000);"]),
        ):
            with self.subTest(code):
                self.assertEqual(texts(code), parts)

    def test_what_cannot_stand_in_a_function_stands_outside(self):
        p = piece('struct twice : pipeable { template <class N> int serve(N n) const { return n; } };\nauto app = twice{};\n'
                  'template <> inline constexpr bool weft::connection_scoped<my::t> = true;\nawaitable<int> one() { co_return 1; }\nco_await one();')
        self.assertEqual([len(p.globals), len(p.declarations), len(p.statements)], [1, 2, 2])
        self.assertEqual(p.statements[1], (5, 'co_await one();'))

    def test_calls_and_control_flow_are_no_declarations(self):
        for code in ('fmt::print("{}", a);', 'if (auto r = co_await f(x)) { use(r); }', 'while (f(a)) { }', 'a.b(c);', 'f(x, [] { y(); });',
                     'CHECK(a == b);', 'auto [a, b] = f();'):
            with self.subTest(code):
                self.assertEqual(piece(code).declarations, [])

    def test_elisions_do_nothing_and_packs_stay(self):
        for code, plain in (('if (a) ...', 'if (a) { }'), ('f();\n...\ng();', 'f();\n   \ng();'), ('f();  ...  g();', 'f();       g();'),
                            ('catch (...) {}', 'catch (...) {}'), ('g(args...);', 'g(args...);'), ('x(); // a ...', 'x(); // a ...'),
                            ('if (a) ...   // why', 'if (a) { }   // why')):
            with self.subTest(code):
                self.assertEqual(extract.without_elisions(code), plain)

    def test_a_value_returned_by_the_block_itself_is_a_response(self):
        self.assertTrue(piece('co_return http::text("x");').returns_response)
        self.assertFalse(piece('auto f = []() -> awaitable<int> { co_return 1; };').returns_response)

    def test_programs_listen_where_no_one_else_does(self):
        p = piece('int main() { return weft::run(http::serve("0.0.0.0:8080", app)); }')
        self.assertTrue(p.has_main)
        self.assertIn('"127.0.0.1:0"', p.declarations[0][1])

    def test_unbalanced_code_is_refused_with_its_place(self):
        with self.assertRaisesRegex(extract.broken, 'docs/a.md:1'):
            piece('f(;\n}')


summary.run()
