"""The one writer of SQLite: whoever answers a webhook goes first, provider calls next, and nobody waits for ever."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

# So long the others let webhooks pass. A flood of them then costs the work behind it time, never its turn.
PATIENCE = 0.25
# After a webhook's turn the next webhook is usually on its way: the others wait this long for it to show.
GRACE = 0.005


class Door(IntEnum):
    """Where a writer waits, in the order in which the doors open."""

    WEBHOOK = 0
    # What a call came to: until it is written, a kill leaves a message in doubt that is none.
    CALL = 1
    REST = 2


class _Turn:
    """One thread that waits. `since` is its arrival; `granted` says that the lock was handed to it."""

    __slots__ = ("door", "granted", "since", "woken")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.since = time.monotonic()
        self.granted = False
        self.woken = threading.Lock()
        self.woken.acquire()


class WriterLock:
    """A lock with three doors, first come first served at each. It wakes nobody but the thread whose turn it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._waiting: tuple[deque[_Turn], ...] = tuple(deque() for _ in Door)
        self._grace_until = 0.0

    @contextmanager
    def hold(self, door: Door) -> Iterator[None]:
        """Holds the lock for the block."""
        self._acquire(door)
        try:
            yield
        finally:
            self._release(door)

    def _acquire(self, door: Door) -> None:
        turn = _Turn(door)
        with self._lock:
            self._waiting[door].append(turn)
            pause = self._try(turn)
        while pause is not None:
            turn.woken.acquire(timeout=pause)
            with self._lock:
                pause = self._try(turn)

    def _try(self, turn: _Turn) -> float | None:
        """None when the turn has come, else how long to wait for it at most; -1 is until it is woken."""
        if turn.granted:
            return None
        if self._held or (turn.door is not Door.WEBHOOK and self._heads()[0] is not turn):
            return -1
        pause = 0.0 if turn.door is Door.WEBHOOK else self._grace_until - time.monotonic()
        if pause > 0 and not _is_late(turn):
            return pause
        self._waiting[turn.door].remove(turn)
        self._held = True
        return None

    def _release(self, door: Door) -> None:
        with self._lock:
            self._held = False
            heads = self._heads()
            if door is Door.WEBHOOK:
                self._grace_until = time.monotonic() + GRACE
                # Every other turn at most is a webhook's while somebody has waited too long.
                heads = [turn for turn in heads if _is_late(turn)] or heads
            if heads:
                self._pass_to(heads[0], at_once=door is not Door.WEBHOOK)

    def _pass_to(self, turn: _Turn, *, at_once: bool) -> None:
        if at_once or turn.door is Door.WEBHOOK or _is_late(turn):
            self._waiting[turn.door].popleft()
            self._held = turn.granted = True
        if turn.woken.locked():  # else it was woken already and has not noticed yet
            turn.woken.release()

    def _heads(self) -> list[_Turn]:
        """The first at each door, in the order of the doors."""
        return [waiting[0] for waiting in self._waiting if waiting]


def _is_late(turn: _Turn) -> bool:
    return turn.door is not Door.WEBHOOK and time.monotonic() - turn.since >= PATIENCE
