"""Posts webhooks as Meta does: signed, several items in one request, each request again until it is answered 200.

A request that is not answered so is posted again with growing pauses for seven days and holds up nothing behind it.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from portal.sandbox.outgoing import Answer, Line, post
from portal.sandbox.webhooks import Signature
from portal.sandbox.whatsapp_cloud import webhooks
from portal.sandbox.whatsapp_cloud.webhooks import Item

if TYPE_CHECKING:
    from portal.sandbox.whatsapp_cloud.provider import CloudProvider

LOOK_SECONDS = 0.05
KEPT_SECONDS = 7 * 24 * 3600.0
LONGEST_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the items of a number or an account go, and the secret they are signed with."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Posted:
    """One request posted once, and the answer. `items` is how many things it told."""

    url: str
    body: dict[str, Any]
    answer: Answer
    items: int
    number: str


@dataclass(slots=True)
class Letter:
    """A request on its way: `tries` posts were not answered 200, the next is due `again_at` (unix seconds)."""

    target: Target
    items: Sequence[Item]
    first_at: float
    again_at: float = 0.0
    tries: int = 0


@dataclass
class Poster:
    """What waits to be posted. `later` are items that are due at a time, `letters` requests that failed."""

    provider: "CloudProvider"
    later: list[tuple[float, int, Callable[[], Sequence[Item]]]] = field(default_factory=list)
    waiting: list[tuple[float, Item]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    _numbers = itertools.count()

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._running = False

    @property
    def count(self) -> int:
        """How many items and failed requests wait at this moment."""
        return len(self.waiting) + len(self.letters)

    def at(self, moment: float, build: Callable[[], Sequence[Item]]) -> None:
        """Has the items built and posted at that time."""
        with self._lock:
            heapq.heappush(self.later, (moment, next(self._numbers), build))
        self._wake()

    def push(self, items: Sequence[Item]) -> None:
        """Posts items now, together when there are several."""
        now = self.provider.clock()
        with self._lock:
            self.waiting.extend((now, one) for one in items)
        self._wake()

    def post_now(self, items: Sequence[Item]) -> None:
        """Posts items in the caller's own thread, one request for all, before anything else that waits."""
        target = self.provider.target(items[0]) if items else None
        if target is not None and not self.provider.deaf:
            self._deliver(Letter(target, items, self.provider.clock()))

    def _wake(self) -> None:
        with self._lock:
            self._woken.set()
            if self._running or self.provider.stopped.is_set():
                return
            self._running = True
        threading.Thread(target=self._run, name="cloud-poster", daemon=True).start()

    def _run(self) -> None:
        lines: dict[str, Line] = {}
        try:
            self._work(lines)
        finally:
            for line in lines.values():
                line.close()

    def _work(self, lines: dict[str, Line]) -> None:
        """`lines` are the connections that this thread keeps, by address."""
        provider = self.provider
        while not provider.stopped.is_set() and not provider.closing().is_set():
            self._woken.clear()
            self._queue_what_is_due()
            letter = None if provider.deaf else self._next()
            if letter is not None:
                provider.wait(provider.delay)
                self._deliver(letter, lines)
                continue
            with self._lock:
                if not self.later and not self.waiting and not self.letters:
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
            items = build()
            with self._lock:
                self.waiting.extend((moment, one) for one in items)

    def _next(self) -> Letter | None:
        """The next request: one that failed and is due again, or a new one of what waits."""
        provider, now = self.provider, self.provider.clock()
        with self._lock:
            due = next((one for one in self.letters if one.again_at <= now), None)
            if due is not None:
                self.letters.remove(due)
                return due
            if not self.waiting:
                return None
            full = len(self.waiting) >= provider.batch
            if not full and now - self.waiting[0][0] < provider.gather:
                return None
            return self._take(now)

    def _take(self, now: float) -> Letter | None:
        """Up to `batch` of the waiting items that have one target. Items that nobody asked for are dropped."""
        order = self.waiting[::-1] if self.provider.shuffled else self.waiting
        target: Target | None = None
        chosen: list[Item] = []
        kept: list[tuple[float, Item]] = []
        for place, entry in enumerate(order):
            if len(chosen) >= self.provider.batch:
                kept += order[place:]
                break
            own = self.provider.target(entry[1])
            if own is not None and own == (target or own):
                target = own
                chosen.append(entry[1])
            elif own is not None:
                kept.append(entry)
        self.waiting = kept[::-1] if self.provider.shuffled else kept
        return Letter(target, chosen, now) if target is not None else None

    def _deliver(self, letter: Letter, lines: dict[str, Line] | None = None) -> None:
        provider = self.provider
        answers = [self._post(letter, lines) for _ in range(provider.copies)]
        if any(answer.status == 200 for answer in answers):
            return
        letter.tries += 1
        letter.again_at = provider.clock() + min(provider.again_after * 2 ** (letter.tries - 1), LONGEST_PAUSE)
        if letter.again_at - letter.first_at < KEPT_SECONDS:
            with self._lock:
                self.letters.append(letter)
            self._wake()

    def _post(self, letter: Letter, lines: dict[str, Line] | None) -> Answer:
        told, url = webhooks.request_body(letter.items), letter.target.url
        body = webhooks.as_bytes(told)
        headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
        if self.provider.signature is not Signature.MISSING:
            wrong = self.provider.signature is Signature.BAD
            headers["X-Hub-Signature-256"] = webhooks.signature(letter.target.secret, body[:-1] if wrong else body)
        try:
            line = None if lines is None else lines.get(url) or lines.setdefault(url, Line(url))
            answer = post(url, body, headers, line)
        except ValueError as error:  # an address that is not on this machine
            answer = Answer(self.provider.clock(), 0, 0.0, error=str(error))
        self.provider.note(Posted(url, told, answer, len(letter.items), letter.items[0].number), letter)
        return answer
