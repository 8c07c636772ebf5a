"""Signals in a process of many threads.

The kernel gives a signal to any thread that will have it, often one that is just being started. Python's handlers run
in the main thread alone, and that one sleeps on: SIGTERM would be heard when something else wakes it, which may be
never.
"""

import os
import signal
import threading
import time

_WAKE = signal.SIGUSR2
# It may be on its way into its sleep at the first knock.
_KNOCKS, _PAUSE = 5, 0.05


def hear() -> None:
    """From now on every signal wakes the main thread. For the main thread of a process that forks no more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(_WAKE, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_wake_main, args=(reader,), name="signals", daemon=True).start()


def _wake_main(reader: int) -> None:
    main = threading.main_thread().ident or 0
    while heard := os.read(reader, 64):
        if set(heard) == {_WAKE}:
            continue  # our own knocking
        for _ in range(_KNOCKS):
            signal.pthread_kill(main, _WAKE)
            time.sleep(_PAUSE)


class WakingEvent(threading.Event):
    """An event whose wait looks up every second, for a main thread that may not have a thread beside it."""

    def wait(self, timeout: float | None = None) -> bool:
        """As `threading.Event` does."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(1.0):
            pass
        return True
