#!/usr/bin/env python3
"""Compiles wrong programs and checks that the compiler's message is the one line the user should see.

usage: misfit.py COMPILER... -- INCLUDE_DIR... -- FILE...
Each FILE's first line is `// expect: TEXT`: TEXT must stand in one line of the output, and the build must fail.
A second line `// expect-clang: TEXT` counts instead where the compiler is Clang, whose C++20 mode cannot compute messages.
`...` in TEXT stands for anything.
"""
import re
import subprocess
import sys


def main():
    args = sys.argv[1:]
    first = args.index("--")
    second = args.index("--", first + 1)
    compiler, includes, files = args[:first], args[first + 1:second], args[second + 1:]
    clang = "clang" in " ".join(compiler)
    passed = failed = 0
    for name in files:
        with open(name, encoding="utf-8") as f:
            wanted = f.readline().removeprefix("// expect: ").rstrip("\n")
            second_line = f.readline().rstrip("\n")
        if clang and second_line.startswith("// expect-clang: "):
            wanted = second_line.removeprefix("// expect-clang: ")
        pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
        run = subprocess.run(
            compiler + ["-std=c++20", "-fsyntax-only"] + ["-I" + i for i in includes] + [name],
            capture_output=True, text=True, check=False)
        if run.returncode != 0 and re.search(pattern, run.stderr):
            passed += 1
        else:
            failed += 1
            print(f"{name}: wanted a failed build that says\n  {wanted}\ngot status {run.returncode}:")
            print("\n".join(run.stderr.splitlines()[:20]))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
