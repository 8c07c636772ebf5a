"""Posts an instance's notifications to its webhook: one after another, each until it is answered 200.

What is not answered so holds up everything behind it and is posted again `again_after` seconds later (60 in truth),
for 24 hours. A thread lives only while there is something to post.
"""

import heapq
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from portal.sandbox.green_api.instances import KEPT_HOURS, Instance
from portal.sandbox.green_api.notifications import Body
from portal.sandbox.outgoing import Answer, post

if TYPE_CHECKING:
    from portal.sandbox.green_api.provider import GreenProvider

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Posted:
    """One notification posted once, and the answer."""

    instance: str
    body: Body
    answer: Answer


@dataclass
class Notifier:
    """The queue of one instance. `later` are notifications that are due at a time (unix seconds)."""

    provider: "GreenProvider"
    instance: Instance
    queue: deque[tuple[float, Body]] = field(default_factory=deque)
    later: list[tuple[float, int, Callable[[], list[Body]]]] = field(default_factory=list)

    _numbers = itertools.count()

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._running = False

    def at(self, moment: float, build: Callable[[], list[Body]]) -> None:
        """Has the notifications built and queued at that time."""
        with self._lock:
            heapq.heappush(self.later, (moment, next(self._numbers), build))
        self._wake()

    def push(self, body: Body) -> None:
        """Queues a notification now."""
        with self._lock:
            self.queue.append((self.provider.clock(), body))
        self._wake()

    def clear(self) -> None:
        """Empties the queue (ClearWebhooksQueue)."""
        with self._lock:
            self.queue.clear()

    def _wake(self) -> None:
        with self._lock:
            self._woken.set()
            if self._running or self.provider.stopped.is_set():
                return
            self._running = True
        name = f"green-{self.instance.id}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while not self.provider.stopped.is_set() and not self.provider.closing().is_set():
            self._woken.clear()
            self._queue_what_is_due()
            if self._post_first():
                continue
            with self._lock:
                if not self.queue and not self.later:
                    self._running = False
                    return
            self._woken.wait(LOOK_SECONDS)
        self._running = False

    def _queue_what_is_due(self) -> None:
        now = self.provider.clock()
        while True:
            with self._lock:
                if not self.later or self.later[0][0] > now:
                    return
                moment, _, build = heapq.heappop(self.later)
            bodies = build()
            with self._lock:
                self.queue.extend((moment, body) for body in bodies)

    def _post_first(self) -> bool:
        """Posts the first notification; False when there is nothing to post now."""
        provider, now = self.provider, self.provider.clock()
        settings = self.instance.settings_at(now)
        url = str(settings.get("webhookUrl") or "")
        with self._lock:
            while self.queue and now - self.queue[0][0] > KEPT_HOURS * 3600:
                self.queue.popleft()
            if not self.queue or not url or provider.deaf or now < provider.held_until.get(self.instance.id, 0.0):
                return False
            second = provider.shuffled and len(self.queue) > 1
            entry = self.queue[1 if second else 0]
        provider.wait(provider.delay)
        token = str(settings.get("webhookUrlToken") or "")
        answers = [self._post(url, token, entry[1]) for _ in range(provider.copies)]
        if any(answer.status == 200 for answer in answers):
            with self._lock:
                if entry in self.queue:
                    self.queue.remove(entry)
            return True
        provider.held_until[self.instance.id] = provider.clock() + provider.again_after
        return False

    def _post(self, url: str, token: str, body: Body) -> Answer:
        headers = {"Content-Type": "application/json", "User-Agent": "sendero-sandbox"}
        if token:
            headers["Authorization"] = f"{self.provider.scheme}{token}"
        answer = post(url, json.dumps(body).encode(), headers)
        self.provider.note(Posted(self.instance.id, body, answer))
        return answer
