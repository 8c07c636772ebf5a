"""`python -m portal.sandbox`: the sandbox as a process of its own, until SIGTERM or Ctrl-C."""

import argparse
import logging
import os
import signal
import threading
from pathlib import Path

from portal.sandbox import Sandbox, SigningKey


def main() -> None:
    """Serves the sandbox on loopback."""
    asked = argparse.ArgumentParser(prog="python -m portal.sandbox", description=__doc__)
    asked.add_argument("--port", type=int, default=8001, help="the port to listen on, 0 for any (default 8001)")
    asked.add_argument("--portal-url", default="http://127.0.0.1:8000", help="where the portal listens")
    asked.add_argument("--key-file", type=Path, help="PEM file of the signing key, made when missing")
    asked.add_argument("--until-eof", action="store_true", help="end when standard input is closed")
    options = asked.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    key = SigningKey.load(options.key_file) if options.key_file else None
    server = Sandbox(options.portal_url, key=key).serve(options.port)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: server.closing.set())
    if options.until_eof:
        threading.Thread(target=_end_with_input, args=(server.closing,), daemon=True).start()
    print(f"The sandbox listens at {server.url}", flush=True)
    server.wait()
    server.stop()


def _end_with_input(closing: threading.Event) -> None:
    # Not through `sys.stdin`: the interpreter cannot end while a thread waits in its buffer.
    while os.read(0, 4096):
        pass
    closing.set()


if __name__ == "__main__":
    main()
