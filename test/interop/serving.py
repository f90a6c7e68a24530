# weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
"""`weft serve http-test` on a free port of 127.0.0.1, for as long as a block lasts."""

import contextlib
import signal
import socket
import subprocess
import time


@contextlib.contextmanager
def serving(weft, *options):
    """Gives the port. Fails at the end when the server ended otherwise than well."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen([weft, "serve", "http-test", "--bind", f"127.0.0.1:{port}", *options],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        status = server.wait(30)
    if status != 0:
        raise SystemExit(f"weft serve ended with status {status}")
