"""How fast a number may send, to everybody and to one person, and how much marketing one person gets."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from portal.sandbox.whatsapp_cloud.errors import GraphError
from portal.sandbox.whatsapp_cloud.numbers import Number, Person

DAY = 24 * 3600.0


@dataclass
class Limits:
    """`enforced` switches all of them.

    `rate` is messages a second of a number, in and out (`coexisting_rate` beside the phone app). A pair of number and
    person gets one message in `pair_seconds` after the first `pair_burst`. `marketing` is how many marketing templates
    a person gets in a day without having written; 0: any. Meta tells neither the burst nor the marketing cap.
    """

    clock: Callable[[], float]
    enforced: bool = True
    rate: int = 80
    coexisting_rate: int = 20
    pair_seconds: float = 6.0
    pair_burst: int = 45
    marketing: int = 2

    def __post_init__(self) -> None:
        self._lock = Lock()

    def note(self, number: Number) -> bool:
        """Counts a message of the number; False when it is one too many in this second."""
        now, most = self.clock(), self.coexisting_rate if number.coexists else self.rate
        with self._lock:
            while number.recent and number.recent[0] <= now - 1:
                number.recent.popleft()
            if self.enforced and len(number.recent) >= most:
                return False
            number.recent.append(now)
        return True

    def send(self, number: Number, person: Person) -> None:
        """Counts a send. Raises `GraphError` for one too many."""
        if not self.note(number):
            raise GraphError(130429, "Cloud API message throughput has been reached.")
        if self.enforced and not self._pair(person):
            raise GraphError(131056, "Too many messages sent from this number to the same person in a short time.")

    def too_much_marketing(self, person: Person) -> bool:
        """Counts a marketing template to the person; True when it is one too many."""
        now = self.clock()
        person.marketing = [at for at in person.marketing if at > now - DAY]
        if self.enforced and self.marketing and len(person.marketing) >= self.marketing:
            return True
        person.marketing.append(now)
        return False

    def _pair(self, person: Person) -> bool:
        now = self.clock()
        with self._lock:
            have = float(self.pair_burst) if person.allowance is None else person.allowance
            have = min(float(self.pair_burst), have + (now - person.refilled_at) / max(self.pair_seconds, 0.001))
            person.refilled_at = now
            person.allowance = have - 1 if have >= 1 else have
        return have >= 1
