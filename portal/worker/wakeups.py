"""Waking the worker pools: an event in this process, NOTIFY from the others, and a slow poll behind both."""

import logging
import threading
from collections.abc import Iterable

import psycopg
from sqlalchemy import Engine

from portal.database import CHANNEL
from portal.queue.jobs import POOLS

log = logging.getLogger(__name__)

# Every working process has one such connection: on the server they can be counted.
SESSION_NAME = "sendero worker"


class Wakeups:
    """One flag per pool."""

    def __init__(self) -> None:
        self._flags = {pool: threading.Event() for pool in POOLS}

    def wake(self, pools: Iterable[str]) -> None:
        """Something is due in these pools."""
        for pool in pools:
            if pool in self._flags:
                self._flags[pool].set()

    def wait(self, pool: str, seconds: float) -> None:
        """Returns when the pool is woken, or after the seconds."""
        flag = self._flags[pool]
        flag.wait(seconds)
        flag.clear()


class Listener(threading.Thread):
    """Hears what other processes commit on PostgreSQL. While it has no connection, the slow poll stands in."""

    def __init__(self, engine: Engine, wakeups: Wakeups) -> None:
        super().__init__(name="listener", daemon=True)
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._wakeups = wakeups
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
                    self._wakeups.wake(notice.payload.split(","))

    def stop(self) -> None:
        """Ends the thread within about a second."""
        self._stopping.set()
