#!/usr/bin/env python3
"""Compiles one user file without a precompiled header and prints the seconds of processor time, for the budget of
docs/building.md (6 s with Clang 19). It fails when the file does not compile; the time is for reading, because a test
that asserts a time fails on a busy machine. What it asserts is repeatable: how much text the headers come to.

usage: compile_time.py FILE COMPILER ARGUMENTS..."""
# SPDX-License-Identifier: BSL-1.0
import resource
import subprocess
import sys

most_lines = 200_000  # of preprocessed text that is not blank; Asio alone is most of it


def main(source, compiler):
    def seconds(*flags):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*compiler, *flags, '-c', source, '-o', '/dev/null'], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    text = subprocess.run([*compiler, '-E', '-P', source], check=True, capture_output=True, text=True).stdout
    lines = sum(1 for line in text.splitlines() if line.strip())
    print(f'one file that serves and calls HTTP: {seconds("-O0"):.1f} s (-O0), {seconds("-O2"):.1f} s (-O2), '
          f'{lines} lines after the preprocessor (at most {most_lines})')
    return 0 if lines <= most_lines else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2:]))
