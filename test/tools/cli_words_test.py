#!/usr/bin/env python3
"""The man page and the bash completion know every option that the command's own help names.

usage: cli_words_test.py WEFT MAN_PAGE COMPLETION"""
# SPDX-License-Identifier: BSL-1.0
import re
import subprocess
import sys
import unittest

weft, man_page, completion = sys.argv[1:4]


def help_of(*arguments):
    return subprocess.run([weft, *arguments], capture_output=True, text=True, check=True, timeout=20).stdout


def options_in(text):
    return set(re.findall(r'(?<![\w-])--?[A-Za-z][A-Za-z0-9.-]*', text))


def complete(*words):
    script = f'. {completion}; COMP_WORDS=({" ".join(words)} ""); COMP_CWORD={len(words)}; _weft; echo "${{COMPREPLY[*]}}"'
    return subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True, timeout=20).stdout.split()


class CliWords(unittest.TestCase):
    def test_the_man_page_names_every_option(self):
        with open(man_page, encoding='utf-8') as page:
            known = options_in(page.read().replace('\\-', '-'))
        wanted = options_in(help_of('--help')) | options_in(help_of('serve', '--help')) | options_in(help_of('send', '--help'))
        wanted |= options_in(help_of('resolve', '--help')) | options_in(help_of('probe', '--help'))
        self.assertGreater(len(wanted), 10)
        self.assertEqual(wanted - known, {'--help'} - known)

    def test_the_completion_offers_every_option_of_send(self):
        self.assertEqual(options_in(help_of('send', '--help')) - set(complete('weft', 'send')), set())

    def test_the_completion_offers_every_option_of_resolve(self):
        self.assertEqual(options_in(help_of('resolve', '--help')) - set(complete('weft', 'resolve')), set())

    def test_the_completion_offers_every_option_of_probe(self):
        self.assertEqual(options_in(help_of('probe', '--help')) - set(complete('weft', 'probe', 'tls')), set())
        self.assertEqual(complete('weft', 'probe'), ['tls'])

    def test_the_completion_offers_every_option_of_serve(self):
        self.assertEqual(options_in(help_of('serve', '--help')) - set(complete('weft', 'serve', 'echo')), set())

    def test_the_completion_offers_the_commands_and_services(self):
        self.assertIn('serve', complete('weft'))
        self.assertEqual(complete('weft', 'serve'), ['http-test', 'echo', 'discard'])

    def test_a_file_follows_the_at_sign(self):
        script = f'. {completion}; COMP_WORDS=(weft send -d @{completion[:-1]}); COMP_CWORD=3; _weft; echo "${{COMPREPLY[*]}}"'
        out = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True, timeout=20).stdout
        self.assertIn('@' + completion, out)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
