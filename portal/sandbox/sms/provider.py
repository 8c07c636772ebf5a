"""One stand-in SMS provider: what it took, how each message goes on, and what it tells the portal of it."""

import secrets
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from portal.sandbox.outgoing import Answer
from portal.sandbox.sms.dialect import Dialect
from portal.sandbox.sms.messages import ENDINGS, OUTCOMES, SENT, STUCK, Order, Posted, Progress, Sent, Written
from portal.sandbox.sms.poster import Letter, Poster
from portal.sandbox.world import number_key

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

INBOUND = "inbound"
STOPS, STARTS = frozenset({"stop", "stopall", "unsubscribe", "end", "quit"}), frozenset({"start", "unstop", "yes"})


class SmsProvider:
    """The state of one dialect's stand-in.

    Switches: `delay` seconds before each call at the portal, `copies` of each, `shuffled` (the last word goes before
    the others), `lost` (no receipt is ever posted), `deaf` (nothing is posted until it is lifted). `progress` is how
    messages go on, `outcomes` (by `decide`) overrides the last word for a number. `silenced` are the numbers that have
    told the provider to stop. `callback` is the address for receipts as it was entered in the provider's console, for
    providers that are not given one with each message. `posted` holds the calls made.
    """

    def __init__(self, sandbox: "Sandbox", dialect: Dialect) -> None:
        self.sandbox = sandbox
        self.dialect = dialect
        self.progress = Progress()
        self.outcomes: dict[str, str] = {}
        self.silenced: set[str] = set()
        self.balance = 100.0
        self.callback = ""
        self.delay = 0.0
        self.copies = 1
        self.shuffled = self.lost = self.deaf = False
        self.posted: deque[Posted] = deque(maxlen=1000)
        self.stopped = threading.Event()
        self.poster = Poster(self)
        self._lock = threading.Lock()
        self._accepted: OrderedDict[str, Sent] = OrderedDict()

    @property
    def url(self) -> str:
        """Where it is: what `api_url` of a sender takes."""
        return f"{self.sandbox.url}/{self.dialect.kind}"

    @property
    def credentials(self) -> dict[str, str]:
        """Those of a sender that it knows."""
        return {name: value.replace("{url}", self.url) for name, value in self.dialect.credentials.items()}

    def decide(self, phone: str, outcome: str) -> None:
        """Messages to this number will end so, one of `OUTCOMES`; "" lifts it."""
        if outcome and outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
        self.outcomes[number_key(phone)] = outcome

    def take(self, order: Order, message_id: str = "") -> Sent:
        """Takes a message, has its receipts posted when they are due, and returns it with its new id."""
        order = order if order.callback or not self.callback else replace(order, callback=self.callback)
        number = number_key(order.to)
        ends = self.outcomes.get(number) or ENDINGS.get(number[-4:], self.progress.outcome)
        progress = replace(self.progress, outcome=ends)
        sent = Sent(
            message_id or secrets.token_hex(16), self.sandbox.clock(), order, progress, title=self.dialect.title
        )
        with self._lock:
            self._accepted[sent.id] = sent
            while len(self._accepted) > self.sandbox.keep:
                self._accepted.popitem(last=False)
        if order.callback and self.dialect.reports and not self.lost:
            self._promise(sent)
        return sent

    def write(self, written: Written, copies: int = 1) -> list[Answer]:
        """A customer's text reaches the portal, or waits while the provider is deaf."""
        word = written.text.strip().lower()
        if word in STOPS:
            self.silenced.add(number_key(written.from_number))
        elif word in STARTS:
            self.silenced.discard(number_key(written.from_number))
        letter = Letter(written.id, INBOUND, lambda: self.dialect.inbound(written))
        if self.deaf:
            self.poster.at(self.sandbox.clock(), letter)
            return []
        return [answer for _ in range(copies) for answer in self.poster.now(letter)]

    def is_silenced(self, phone: str) -> bool:
        """Has this number told the provider to stop?"""
        return number_key(phone) in self.silenced

    def find(self, message_id: str) -> Sent | None:
        """The accepted message with this id."""
        with self._lock:
            return self._accepted.get(message_id)

    def accepted(self, *, to: str = "", text: str = "") -> list[Sent]:
        """The messages taken, oldest first, of a recipient or a text."""
        with self._lock:
            taken = list(self._accepted.values())
        return [one for one in taken if (not to or number_key(to) == one.number) and text in ("", one.order.text)]

    def repeats(self) -> dict[tuple[str, str], int]:
        """(recipient, text) of every message that was taken more than once, with how often."""
        counts = Counter((one.order.to, one.order.text) for one in self.accepted())
        return {pair: count for pair, count in counts.items() if count > 1}

    def _promise(self, sent: Sent) -> None:
        words = [(SENT, sent.progress.sent_after), (sent.progress.outcome, sent.progress.final_after)]
        words = [each for each in words if each[0] != STUCK]
        moments: Sequence[float] = [moment for _, moment in words]
        if self.shuffled:
            # The last word goes first, the others just behind it.
            moments = [max(moments) + 0.01 * (len(words) - place) for place in range(len(words))]
        for (word, _), moment in zip(words, moments, strict=True):
            self.poster.at(sent.at + moment, Letter(sent.id, word, partial(self.dialect.receipt, sent, word)))
