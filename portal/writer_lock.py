"""The one writer of SQLite: whoever answers a webhook goes first, and nobody waits for ever."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# So long the others let webhooks pass. A flood of them then costs the work behind it time, never its turn.
PATIENCE = 0.25
# After an urgent turn the next urgent one is usually on its way: the others wait this long for it to show.
GRACE = 0.005


class WriterLock:
    """A lock with two doors. The urgent one opens first, unless somebody at the other has waited too long."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._held = False
        self._urgent = 0
        self._grace_until = 0.0

    @contextmanager
    def hold(self, *, urgent: bool) -> Iterator[None]:
        """Holds the lock for the block."""
        self._acquire(urgent)
        try:
            yield
        finally:
            with self._free:
                self._held = False
                if urgent:
                    self._grace_until = time.monotonic() + GRACE
                self._free.notify_all()

    def _acquire(self, urgent: bool) -> None:
        patience = time.monotonic() + PATIENCE
        with self._free:
            self._urgent += urgent
            while self._held or (not urgent and self._is_urgent() and time.monotonic() < patience):
                self._free.wait(GRACE if not urgent else None)
            self._urgent -= urgent
            self._held = True

    def _is_urgent(self) -> bool:
        return self._urgent > 0 or time.monotonic() < self._grace_until
