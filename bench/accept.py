"""Accepting: signed deliveries of 2 KB at 32 connections, durable before the 200, beside a bare Flask hello."""

import os
import sys
import tempfile
from pathlib import Path

from bench.world import environment, free_port, process, python, write_requests, wrk

BLOCKING_THREADS = 16


def hello(processes: int, requests: Path, seconds: int) -> dict[str, float]:
    """The same requests to a Flask application that does nothing, on the same server."""
    port = free_port()
    granian = Path(sys.executable).parent / "granian"
    command = [str(granian), "--interface", "wsgi", "--port", str(port), "--no-log", "bench.hello:app"]
    command += ["--blocking-threads", str(BLOCKING_THREADS), "--workers", str(processes)]
    with process(command, port, dict(os.environ)):
        return wrk(port, requests, seconds)


def accept(database_url: str, seconds: int, count: int, **settings: str) -> dict[str, float]:
    """The portal's webhook, every message id new."""
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests"
        write_requests(requests, count)
        port = free_port()
        env = environment(Path(folder), port, database_url, **settings)
        with process([python(), "app.py"], port, env):
            return wrk(port, requests, seconds)
