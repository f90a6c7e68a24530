#!/usr/bin/env python3
"""tools/lib/count-tests never shows a run better than it was."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import summary  # noqa: E402

TOOL = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../tools/lib/count-tests'))
DOCTEST = '[doctest] test cases: {0:4} | {1:4} passed | {2:4} failed | 0 skipped\n[doctest] Status: x\n'


class count_tests(unittest.TestCase):
    def count(self, *tests):
        with tempfile.NamedTemporaryFile('w', suffix='.json', encoding='utf-8') as log:
            for result, stdout in tests:
                log.write(json.dumps({'name': 't', 'result': result, 'stdout': stdout}) + '\n')
            log.flush()
            run = subprocess.run([sys.executable, TOOL, log.name], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout.splitlines()[-1]

    def test_the_programs_own_counts_are_summed(self):
        self.assertEqual(self.count(('OK', DOCTEST.format(3, 3, 0)), ('OK', 'x\n4 passed, 0 failed\n'), ('OK', '')),
                         (0, '8 passed, 0 failed'))

    def test_a_failed_case_is_counted(self):
        self.assertEqual(self.count(('FAIL', DOCTEST.format(3, 2, 1))), (1, '2 passed, 1 failed'))

    def test_a_crash_or_timeout_after_good_words_is_a_failure(self):
        for result in ('FAIL', 'TIMEOUT', 'ERROR', 'INTERRUPT'):
            with self.subTest(result):
                self.assertEqual(self.count((result, DOCTEST.format(3, 3, 0))), (1, '3 passed, 1 failed'))

    def test_a_crash_without_a_word_is_a_failure(self):
        self.assertEqual(self.count(('FAIL', '')), (1, '0 passed, 1 failed'))

    def test_a_program_that_selected_no_case_is_a_failure(self):
        self.assertEqual(self.count(('OK', DOCTEST.format(0, 0, 0))), (1, '0 passed, 1 failed'))

    def test_a_skipped_script_counts_for_nothing(self):
        self.assertEqual(self.count(('SKIP', ''), ('OK', '')), (0, '1 passed, 0 failed'))

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual(self.count(), (1, '0 passed, 1 failed'))


summary.run()
