"""What the stand-in Cast keeps: accounts, stored answers by idempotency key, accepted messages and their progress."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from portal.sandbox.cast.messages import OUTCOMES, Accepted, Account, Progress, Reply, refusal
from portal.sandbox.segments import parts
from portal.sandbox.world import CAST_API_KEY, Ids, number_key

# Cast keeps the answer of a key for 24 hours.
KEY_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class _Stored:
    reply: Reply | None
    at: float
    to: str
    text: str


@dataclass
class CastProvider:
    """The stand-in's state, behind one lock.

    `progress` is how messages go on, `outcomes` (set by `decide`) overrides the last word for a number. `rate` limits
    messages a second, None not at all. `remember_refusals` stores refusals under their key too, so that only a new key
    helps. `mismatches` lists keys that came back with another recipient or text, which a caller must never do.
    """

    ids: Ids
    clock: Callable[[], float]
    keep: int
    progress: Progress = field(default_factory=Progress)
    outcomes: dict[str, str] = field(default_factory=dict)
    rate: float | None = None
    remember_refusals: bool = False
    accounts: dict[str, Account] = field(default_factory=lambda: {CAST_API_KEY: Account()})
    mismatches: list[str] = field(default_factory=list)
    calls_by_key: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str], _Stored] = OrderedDict()
        self._accepted: OrderedDict[str, Accepted] = OrderedDict()
        self._recent: deque[float] = deque()

    def add_key(self, api_key: str, credits: int = 1_000_000) -> None:
        """Makes an API key known."""
        self.accounts[api_key] = Account(credits)

    def decide(self, phone: str, outcome: str) -> None:
        """Messages to this number will end so, one of `OUTCOMES`; "" lifts it."""
        if outcome and outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
        self.outcomes[number_key(phone)] = outcome

    def send(self, api_key: str, key: str, message: dict[str, str], pause: Callable[[], None]) -> tuple[Reply, bool]:
        """One send: its answer, and whether that was replayed. While `pause` runs, the key counts as in progress."""
        stored = self._reserve(api_key, key, message)
        if stored is not None:
            if stored.reply is None:
                return refusal(409, "IDEMPOTENCY_IN_PROGRESS", "A request with this key is still being worked"), False
            return stored.reply, True
        reply = None
        try:
            pause()
            reply = self._take(api_key, key, message)
        finally:
            self._store(api_key, key, reply)
        return reply, False

    def accepted(self, *, to: str = "", text: str = "", key: str = "") -> list[Accepted]:
        """The messages taken, oldest first, of a recipient, a text or a key."""
        with self._lock:
            taken = list(self._accepted.values())
        return [
            one
            for one in taken
            if (not to or number_key(to) == number_key(one.to)) and text in ("", one.text) and key in ("", one.key)
        ]

    def find(self, message_id: str) -> Accepted | None:
        """The accepted message with this id."""
        with self._lock:
            return self._accepted.get(message_id)

    def repeats(self) -> dict[tuple[str, str], int]:
        """(recipient, text) of every message that was taken more than once, with how often."""
        counts = Counter((one.to, one.text) for one in self.accepted())
        return {pair: count for pair, count in counts.items() if count > 1}

    def _reserve(self, api_key: str, key: str, message: dict[str, str]) -> _Stored | None:
        """What is stored under the key; None when this call is the first, which then holds the key."""
        if not key:
            return None
        now = self.clock()
        with self._lock:
            self.calls_by_key[key] += 1
            stored = self._answers.get((api_key, key))
            if stored is not None and now - stored.at < KEY_SECONDS:
                if (stored.to, stored.text) != (message["to"], message["message"]):
                    self.mismatches.append(key)
                return stored
            self._answers[(api_key, key)] = _Stored(None, now, message["to"], message["message"])
            while len(self._answers) > self.keep:
                old = self._answers.popitem(last=False)[0][1]
                self.calls_by_key.pop(old, None)
        return None

    def _store(self, api_key: str, key: str, reply: Reply | None) -> None:
        with self._lock:
            if reply is not None and (reply.status < 300 or self.remember_refusals):
                if (api_key, key) in self._answers:
                    self._answers[(api_key, key)].reply = reply
            else:
                self._answers.pop((api_key, key), None)

    def _take(self, api_key: str, key: str, message: dict[str, str]) -> Reply:
        to, text, now = message["to"], message["message"], self.clock()
        account, count = self.accounts[api_key], parts(text)
        with self._lock:
            if self._too_fast(now):
                busy = refusal(429, "RATE_LIMIT_EXCEEDED", "Too many messages: slow down")
                return replace(busy, headers=(("Retry-After", "1"),))
            if account.credits < count:
                return refusal(402, "INSUFFICIENT_CREDITS", "Not enough credits for this message")
            account.credits -= count
            progress = replace(self.progress, outcome=self.outcomes.get(number_key(to)) or self.progress.outcome)
            message_id = "CAST" + self.ids.new("cast").upper()
            self._accepted[message_id] = Accepted(
                message_id, now, api_key, key, to, text, message.get("sender_id", ""), count, progress
            )
            while len(self._accepted) > self.keep:
                self._accepted.popitem(last=False)
        return Reply(200, {"success": True, "message_id": message_id, "parts": count})

    def _too_fast(self, now: float) -> bool:
        if self.rate is None:
            return False
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= self.rate:
            return True
        self._recent.append(now)
        return False
