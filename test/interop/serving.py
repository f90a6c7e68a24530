# weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
"""`weft serve http-test` on a free port of 127.0.0.1, for as long as a block lasts."""

import contextlib
import signal
import subprocess


@contextlib.contextmanager
def serving(weft, *options):
    """Gives the port. Fails at the end when the server ended otherwise than well."""
    server = subprocess.Popen([weft, "serve", "http-test", "--bind", "127.0.0.1:0", *options], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        port = int(server.stdout.readline().rpartition(":")[2])  # "listening on 127.0.0.1:8080"
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        status = server.wait(30)
    if status != 0:
        raise SystemExit(f"weft serve ended with status {status}")
