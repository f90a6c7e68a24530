#!/usr/bin/env python3
"""list.py SOURCE_ROOT: the public headers, a line each, as one includes them below weft/.

list.py SOURCE_ROOT HEADER...: fails when these, which the build compiled alone, are not all there are now.
"""
import os
import sys


def public_headers(root):
    top = os.path.join(root, 'include/weft')
    for folder, _, names in os.walk(top):
        for name in names:
            if name.endswith('.hpp'):
                yield os.path.relpath(os.path.join(folder, name), top)


def main(root, *compiled):
    now = sorted(public_headers(root))
    if not compiled:
        print('\n'.join(now))
        return 0
    missed = sorted(set(now) - set(compiled))
    for header in missed:
        print(f'{header} is new: run `meson setup --reconfigure` (tools/test does)')
    print(f'{len(compiled)} public headers compiled, each alone and twice, and linked into one program')
    return 1 if missed else 0


sys.exit(main(*sys.argv[1:]))
