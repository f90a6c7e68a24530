#!/usr/bin/env python3
"""Runs into each trap of docs/hazards.md and demands that it shuts. usage: hazards.py PROGRAM SANITIZED

What AddressSanitizer finds is asked for where it is built in; the others say so themselves."""
# SPDX-License-Identifier: BSL-1.0
import subprocess
import sys

said_by_the_program = {
    'last_words': 'goodbye was never said',
    'thread_local_across_await': 'the other thread has another current_user',
}


def main(program, sanitized):
    names = subprocess.run([program, 'names'], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert len(names) > 5, names
    failed = 0
    for name in names:
        expected = said_by_the_program.get(name)
        if expected is None and not sanitized:
            continue
        ran = subprocess.run([program, 'wrong', name], capture_output=True, text=True, timeout=120)
        words = [expected] if expected else ['heap-use-after-free', 'stack-use-after']
        caught = ran.returncode != 0 and any(word in ran.stderr for word in words)
        print(f'{name}: {"it shows" if caught else "NOT SHOWN: " + ran.stderr[-2000:]}')
        failed += not caught
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2] == 'true'))
