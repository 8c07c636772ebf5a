"""Waking the worker pools: an event in this process, NOTIFY from the others, and a slow poll behind both."""

import logging
import threading
import time
from collections.abc import Iterable

import psycopg
from sqlalchemy import Engine

from portal.database import CHANNEL
from portal.queue.jobs import POOLS

log = logging.getLogger(__name__)

# Every working process has one such connection: on the server they can be counted.
SESSION_NAME = "sendero worker"
# A nudge may wait so long for company: a claim costs about as much as a short job.
NUDGE_WAIT = 0.02


class _Bell:
    """What wakes one pool."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.rung = False
        self.nudged_until: float | None = None

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self.changed:
            while not self.rung:
                until = end if self.nudged_until is None else min(end, self.nudged_until)
                left = until - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(left)
            self.rung, self.nudged_until = False, None


class Wakeups:
    """One bell per pool."""

    def __init__(self) -> None:
        self._bells = {pool: _Bell() for pool in POOLS}

    def wake(self, pools: Iterable[str]) -> None:
        """Something new is due in these pools."""
        for pool in pools:
            if (bell := self._bells.get(pool)) is not None:
                with bell.changed:
                    bell.rung = True
                    bell.changed.notify()

    def nudge(self, pool: str) -> None:
        """Something that was there before may have become free: worth a look soon, together with whatever comes."""
        bell = self._bells[pool]
        with bell.changed:
            if bell.nudged_until is None:
                bell.nudged_until = time.monotonic() + NUDGE_WAIT
                bell.changed.notify()

    def wait(self, pool: str, seconds: float) -> None:
        """Returns when the pool is woken, a little after it is nudged, or after the seconds."""
        self._bells[pool].wait(seconds)


class Listener(threading.Thread):
    """Hears what other processes commit on PostgreSQL. While it has no connection, the slow poll stands in.

    What this process has committed (`own` is in the notice) it has told its pools itself.
    """

    def __init__(self, engine: Engine, wakeups: Wakeups, own: str) -> None:
        super().__init__(name="listener", daemon=True)
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._wakeups = wakeups
        self._own = own
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                log.warning("listener lost its connection", extra={"error": type(error).__name__})
                self._stopping.wait(2)

    def _listen(self) -> None:
        with psycopg.connect(
            self._url, autocommit=True, connect_timeout=5, keepalives_idle=10, application_name=SESSION_NAME
        ) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._wakeups.wake(POOLS)  # what was announced before we listened
            while not self._stopping.is_set():
                for notice in connection.notifies(timeout=1.0):
                    named = notice.payload.split(",")
                    if self._own not in named:
                        self._wakeups.wake(named)

    def stop(self) -> None:
        """Ends the thread within about a second."""
        self._stopping.set()
