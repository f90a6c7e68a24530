"""Runs a unittest module and ends with the line that tools/lib/count-tests adds up."""
import sys
import unittest


def run():
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromModule(
        sys.modules['__main__']))
    failed = len(result.failures) + len(result.errors)
    print(f'{result.testsRun - failed} passed, {failed} failed')
    sys.exit(1 if failed or not result.testsRun else 0)
