"""A sign of life for whoever watches a worker from outside: it has no port, so it touches a file while it turns."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

FILE = "worker.alive"
EVERY_SECONDS = 5.0


class Heartbeat(threading.Thread):
    """Touches the file as long as `turning` says that the worker has not got stuck."""

    def __init__(self, folder: Path, turning: Callable[[], bool]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._file = folder / FILE
        self._turning = turning
        self._stopping = threading.Event()

    def run(self) -> None:
        while True:
            if self._turning():
                # A full disk must not end the worker, which may need none.
                with contextlib.suppress(OSError):
                    self._file.touch()
            if self._stopping.wait(EVERY_SECONDS):
                return

    def stop(self) -> None:
        """Ends the thread at once."""
        self._stopping.set()
