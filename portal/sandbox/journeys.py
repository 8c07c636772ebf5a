"""The travel of each message as the sandbox saw it from outside: one list of steps per message, for the page.

The portal's inside is not visible from here. What is shown was seen on the wire: webhooks posted, calls received.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from portal.sandbox.world import number_key

MOST_JOURNEYS = 300
MOST_STEPS = 80


@dataclass(slots=True)
class Step:
    """One thing seen, at unix seconds `at`. `times` counts repetitions in a row, the last at `last_at`.

    `place` is ghl, portal, provider, green, cloud, sms or phone; `tone` is good, bad, wait or plain; `fault` names the
    switch that struck.
    """

    at: float
    place: str
    words: str
    tone: str = "plain"
    fault: str = ""
    times: int = 1
    last_at: float = 0.0


@dataclass(slots=True, eq=False)
class Journey:
    """One message under way. `keys` are what the portal and the provider call it."""

    id: str
    direction: str
    location_id: str
    contact_id: str
    phone: str
    text: str
    began: float
    steps: list[Step] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


class Journeys:
    """The last journeys, and which calls of the portal belong to which of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._journeys: OrderedDict[str, Journey] = OrderedDict()
        self._unclaimed: dict[tuple[str, str], list[Journey]] = {}
        self._by_key: dict[str, str] = {}

    def begin(self, journey: Journey) -> Journey:
        """A message sets out."""
        with self._lock:
            self._journeys[journey.id] = journey
            self._unclaimed.setdefault(_address(journey), []).append(journey)
            while len(self._journeys) > MOST_JOURNEYS:
                self._drop(self._journeys.popitem(last=False)[1])
        return journey

    def step(self, journey_id: str, place: str, words: str, tone: str = "plain", fault: str = "") -> None:
        """Something was seen of a message. A repetition of the last step is counted, not listed."""
        now = self._clock()
        with self._lock:
            journey = self._journeys.get(journey_id)
            if journey is None:
                return
            for last in reversed(journey.steps[-2:]):
                if (last.place, last.words, last.fault) == (place, words, fault):
                    last.times, last.last_at = last.times + 1, now
                    return
            if len(journey.steps) < MOST_STEPS:
                journey.steps.append(Step(now, place, words, tone, fault, last_at=now))

    def claim(self, direction: str, phone: str, text: str, key: str = "", template: str = "") -> str:
        """The journey that a call of the portal belongs to, "" when none fits.

        A key (the idempotency key without its counter) keeps to the journey it first came with. A new one takes the
        oldest message to the same number that no key has claimed, of the same text, or of a text within the text (the
        portal adds the addresses of attachments). The portal's own message id is unknown here, so two equal texts to
        one number may be swapped, which changes nothing a person could see. A call for a `template` takes the message
        that asks for it.
        """
        with self._lock:
            known = self._by_key.get(key, "") if key else ""
            waiting = self._unclaimed.get((direction, number_key(phone)), [])
            same = (journey for journey in waiting if journey.text == text)
            within = (journey for journey in waiting if journey.text and journey.text in text)
            word = ["/template", template]
            asks = (journey for journey in waiting if template and journey.text.lower().split()[:2] == word)
            found = None if known else next(same, None) or next(within, None) or next(asks, None)
            if found is not None and key:
                waiting.remove(found)
        if found is not None and key:
            self.remember(key, found.id)
        return found.id if found is not None else known

    def remember(self, key: str, journey_id: str) -> None:
        """Ties another key (a provider's id, an external id) to the journey."""
        with self._lock:
            journey = self._journeys.get(journey_id)
            if journey is not None and key not in self._by_key:
                self._by_key[key] = journey_id
                journey.keys.append(key)

    def known(self, key: str) -> str:
        """The journey tied to this key, or ""."""
        with self._lock:
            return self._by_key.get(key, "")

    def get(self, journey_id: str) -> Journey | None:
        """The journey of this message."""
        with self._lock:
            return self._journeys.get(journey_id)

    def recent(self, count: int) -> list[Journey]:
        """The last journeys, newest first."""
        with self._lock:
            return list(reversed(self._journeys.values()))[:count]

    def _drop(self, journey: Journey) -> None:
        waiting = self._unclaimed.get(_address(journey), [])
        if journey in waiting:
            waiting.remove(journey)
        if not waiting:
            self._unclaimed.pop(_address(journey), None)
        for key in journey.keys:
            self._by_key.pop(key, None)


def _address(journey: Journey) -> tuple[str, str]:
    return journey.direction, number_key(journey.phone)
