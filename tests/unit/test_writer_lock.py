"""The one writer of SQLite: in which order it is let in, and that nobody is forgotten at the door."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal import writer_lock
from portal.writer_lock import Door, WriterLock
from tests.portal import eventually


class Queue:
    """Threads that come to the lock one after the other while it is held."""

    def __init__(self, lock: WriterLock) -> None:
        self.lock = lock
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def add(self, door: Door, name: str) -> None:
        """One more waits, and is known to wait when this returns."""
        before = self._waiting()
        thread = threading.Thread(target=self._pass, args=(door, name), daemon=True)
        self._threads.append(thread)
        thread.start()
        eventually(lambda: self._waiting() > before, what="it waits")

    def emptied(self) -> list[str]:
        """The order in which they were let in."""
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), self.order
        return self.order

    def _waiting(self) -> int:
        return sum(map(len, self.lock._waiting))

    def _pass(self, door: Door, name: str) -> None:
        with self.lock.hold(door):
            self.order.append(name)


def test_doors_open_in_their_order_and_each_first_come_first_served(monkeypatch):
    monkeypatch.setattr(writer_lock, "PATIENCE", 60.0)
    queue = Queue(WriterLock())
    with queue.lock.hold(Door.REST):
        for name in ("rest 1", "call 1", "rest 2", "webhook 1", "call 2", "webhook 2"):
            queue.add(Door[name.split()[0].upper()], name)
    assert queue.emptied() == ["webhook 1", "webhook 2", "call 1", "call 2", "rest 1", "rest 2"]


@pytest.mark.parametrize("first", [Door.WEBHOOK, Door.REST])
def test_who_has_waited_too_long_takes_every_other_turn(monkeypatch, first):
    monkeypatch.setattr(writer_lock, "PATIENCE", 0.0)
    queue = Queue(WriterLock())
    with queue.lock.hold(first):
        for name in ("rest 1", "rest 2", "webhook 1", "webhook 2"):
            queue.add(Door[name.split()[0].upper()], name)
    in_turn = ["rest 1", "webhook 1", "rest 2", "webhook 2"]
    assert queue.emptied() == (in_turn if first is Door.WEBHOOK else ["webhook 1", "rest 1", "webhook 2", "rest 2"])


def test_a_webhook_that_shows_at_once_goes_before_who_waits(monkeypatch):
    monkeypatch.setattr(writer_lock, "PATIENCE", 60.0)
    monkeypatch.setattr(writer_lock, "GRACE", 2.0)
    queue = Queue(WriterLock())
    with queue.lock.hold(Door.WEBHOOK):
        queue.add(Door.REST, "rest")
        queue.add(Door.CALL, "call")
    with queue.lock.hold(Door.WEBHOOK):
        queue.order.append("webhook")
    monkeypatch.setattr(writer_lock, "GRACE", 0.0)
    with queue.lock.hold(Door.WEBHOOK):
        queue.order.append("webhook")
    assert queue.emptied() == ["webhook", "webhook", "call", "rest"]


def test_one_at_a_time_and_nobody_is_forgotten():
    lock, inside, most = WriterLock(), [], []

    def come(number: int) -> None:
        chance = random.Random(number)
        for _ in range(30):
            with lock.hold(chance.choice(list(Door))):
                inside.append(number)
                most.append(len(inside))
                time.sleep(chance.choice((0, 0, 0.0005)))
                inside.remove(number)
            time.sleep(chance.choice((0, 0, 0.002)))

    with ThreadPoolExecutor(24) as pool:
        done = [pool.submit(come, number) for number in range(24)]
        for each in done:
            each.result(60)
    assert max(most) == 1 and len(most) == 24 * 30
