#!/usr/bin/env python3
"""tools/check-rooms refuses wrong trees with file and line, and accepts a right one."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import summary  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
HEAD = '// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0\n#pragma once\n'


class check_rooms(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        self.write('tools/rooms.txt', open(os.path.join(ROOT, 'tools/rooms.txt'), encoding='utf-8').read())
        self.write('include/weft/core/bytes.hpp', HEAD + '#include <string>\n')

    def write(self, path, text):
        path = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)

    def check(self):
        run = subprocess.run([sys.executable, os.path.join(ROOT, 'tools/check-rooms'), self.tree],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def accepts(self):
        status, said = self.check()
        self.assertEqual(status, 0, said)

    def refuses(self, *words):
        status, said = self.check()
        self.assertEqual(status, 1, said)
        for w in words:
            self.assertIn(w, said)
        self.assertIn(', 1 mistakes', said)

    def test_a_room_may_include_itself_and_what_stands_above_it(self):
        self.write('include/weft/io/stream.hpp', HEAD + '#include <weft/core/bytes.hpp>\n')
        self.write('include/weft/http/layer/timeout.hpp', HEAD + '#include <weft/http/body.hpp>\n'
                   '#include <weft/net/tcp.hpp>\n')
        self.write('include/weft/http/testing/suite.hpp', HEAD + '#include <weft/testing/run.hpp>\n'
                   '#include <weft/http/body.hpp>\n')
        self.write('lib/io/stream.cpp', '#include <weft/io/stream.hpp>\n#include "ring.hpp"\n')
        self.write('lib/io/ring.hpp', '#pragma once\n')
        self.accepts()

    def test_an_include_of_a_lower_room_is_refused(self):
        self.write('include/weft/io/stream.hpp', HEAD + '\n#include <weft/http/body.hpp>\n')
        self.refuses('include/weft/io/stream.hpp:4: room io must not include weft/http/body.hpp')

    def test_a_code_file_is_checked_too(self):
        self.write('lib/core/bytes.cpp', '#include <weft/runtime/clock.hpp>\n')
        self.refuses('lib/core/bytes.cpp:1: room core must not include')

    def test_a_private_header_of_a_lower_room_is_refused(self):
        self.write('lib/http/h1/parser.hpp', '#pragma once\n')
        self.write('lib/io/stream.cpp', '#include "../http/h1/parser.hpp"\n')
        self.refuses('lib/io/stream.cpp:1: room io must not include')

    def test_a_private_header_found_from_lib_is_refused_as_well(self):
        self.write('lib/http/h1/parser.hpp', '#pragma once\n')
        self.write('lib/io/stream.cpp', '#include "http/h1/parser.hpp"\n')
        self.refuses('lib/io/stream.cpp:1: room io must not include')

    def test_http_must_not_include_its_testing_room(self):
        self.write('lib/http/server.cpp', '#include <weft/http/testing/suite.hpp>\n')
        self.refuses('lib/http/server.cpp:1: room http must not include')

    def test_production_rooms_must_not_include_testing(self):
        self.write('lib/dns/cache.cpp', '#include <weft/testing/run.hpp>\n')
        self.refuses('lib/dns/cache.cpp:1: room dns must not include')

    def test_an_unknown_room_is_refused(self):
        self.write('include/weft/attic/old.hpp', HEAD)
        self.refuses('include/weft/attic/old.hpp:1: attic is no room')

    def test_a_clock_in_lib_is_refused(self):
        self.write('lib/http/server.cpp', '\nauto now = std::chrono::steady_clock::now();\n')
        self.refuses('lib/http/server.cpp:2: steady_clock outside runtime')

    def test_a_timer_and_a_random_device_are_refused(self):
        for word in ('boost::asio::steady_timer t', 'std::random_device r'):
            with self.subTest(word):
                self.write('lib/net/tcp.cpp', word + ';\n')
                self.refuses('lib/net/tcp.cpp:1: ')

    def test_a_clock_called_in_a_header_is_refused_but_its_types_may_be_named(self):
        self.write('include/weft/core/deadline.hpp', HEAD + 'using t = std::chrono::steady_clock::time_point;\n')
        self.accepts()
        self.write('include/weft/core/deadline.hpp', HEAD + 'auto t = std::chrono::steady_clock::now();\n')
        self.refuses('include/weft/core/deadline.hpp:3: steady_clock::now outside runtime')

    def test_runtime_may_use_the_clock(self):
        self.write('lib/runtime/clock.cpp', 'auto now = std::chrono::steady_clock::now();\n')
        self.accepts()

    def test_comments_and_strings_do_not_count(self):
        self.write('lib/io/stream.cpp', '// steady_clock\n/* steady_timer\n */ auto s = "random_device";\n')
        self.accepts()

    def test_a_foreign_library_in_a_public_header_is_refused_outside_its_file(self):
        self.write('include/weft/http/beast.hpp', HEAD + '#include <boost/beast/http.hpp>\n')
        self.accepts()
        self.write('include/weft/http/body.hpp', HEAD + '#include <boost/beast/http.hpp>\n')
        self.refuses('include/weft/http/body.hpp:3: <boost/beast/http.hpp> in a public header')

    def test_a_platform_header_in_a_public_header_is_refused(self):
        self.write('include/weft/net/tcp.hpp', HEAD + '#include <sys/socket.h>\n')
        self.refuses('include/weft/net/tcp.hpp:3: <sys/socket.h>')

    def test_a_public_header_includes_no_private_file(self):
        self.write('include/weft/net/tcp.hpp', HEAD + '#include "tcp_detail.hpp"\n')
        self.refuses('include/weft/net/tcp.hpp:3: a public header includes "tcp_detail.hpp"')

    def test_a_public_header_needs_its_first_lines(self):
        self.write('include/weft/net/tcp.hpp', '#pragma once\n')
        self.refuses('include/weft/net/tcp.hpp:1: the first line names no SPDX licence')

    def test_an_empty_tree_is_no_success(self):
        shutil.rmtree(os.path.join(self.tree, 'include'))
        self.assertEqual(self.check()[0], 1)


summary.run()
