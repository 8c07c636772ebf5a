"""What the stand-in Cast keeps: accounts, stored answers by idempotency key, accepted messages and their progress."""

import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from portal.sandbox.cast.accounts import TEST_KEY, Account, AddressLimit, Unsubscribed
from portal.sandbox.cast.messages import OUTCOMES, Accepted, Order, Progress, Reply, refusal
from portal.sandbox.segments import parts
from portal.sandbox.world import CAST_API_KEY, Ids, number_key

# Cast keeps the answer of a key for 24 hours.
KEY_SECONDS = 24 * 3600.0
_SLOW_DOWN = replace(
    refusal(429, "RATE_LIMIT_EXCEEDED", "Too many messages: slow down"), headers=(("Retry-After", "1"),)
)


@dataclass(slots=True)
class _Stored:
    reply: Reply | None
    at: float
    asked: object


@dataclass
class CastProvider:
    """The stand-in's state, behind one lock.

    `progress` is how messages go on, `outcomes` (set by `decide`) overrides the last word for a number. `rate` limits
    each account's send calls a second and `address` all requests together, None not at all (Cast's own limits are 10,
    and 30 with a burst of 50). `remember_refusals` stores refusals under their key too, so that only a new key helps.
    `mismatches` lists keys that came back with another request, which a caller must never do.
    """

    ids: Ids
    clock: Callable[[], float]
    keep: int
    progress: Progress = field(default_factory=Progress)
    outcomes: dict[str, str] = field(default_factory=dict)
    rate: float | None = None
    address: AddressLimit = field(default_factory=AddressLimit)
    remember_refusals: bool = False
    accounts: dict[str, Account] = field(default_factory=lambda: {CAST_API_KEY: Account()})
    mismatches: list[str] = field(default_factory=list)
    calls_by_key: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str], _Stored] = OrderedDict()
        self._accepted: OrderedDict[str, Accepted] = OrderedDict()

    def add_key(self, api_key: str, credits: int = 1_000_000, account: Account | None = None) -> Account:
        """Makes an API key known, of an account of its own unless one is given."""
        self.accounts[api_key] = account or Account(credits)
        return self.accounts[api_key]

    def decide(self, phone: str, outcome: str) -> None:
        """Messages to this number will end so, one of `OUTCOMES`; "" lifts it."""
        if outcome and outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
        self.outcomes[number_key(phone)] = outcome

    def unsubscribe(self, phone: str, sender_id: str, api_key: str = CAST_API_KEY) -> None:
        """The customer follows the link in a message: the sender id may write to them no more."""
        left = Unsubscribed(phone, sender_id, self.clock(), "203.0.113.7")
        with self._lock:
            self.accounts[api_key].unsubscribed.append(left)

    def too_many_requests(self) -> Reply | None:
        """The refusal by IP address, when this request is one too many."""
        with self._lock:
            return _SLOW_DOWN if self.address.too_fast(self.clock()) else None

    def send(self, api_key: str, key: str, order: Order, pause: Callable[[], None]) -> tuple[Reply, bool]:
        """One message: its answer, and whether that was replayed. While `pause` runs, the key is in progress."""
        return self._once(api_key, key, order, pause, lambda: self._take_one(api_key, key, order))

    def send_bulk(
        self, api_key: str, key: str, orders: Sequence[Order], pause: Callable[[], None]
    ) -> tuple[Reply, bool]:
        """One text for many numbers: a result for each. Its credits are reserved together, and failures refunded."""
        return self._once(api_key, key, tuple(orders), pause, lambda: self._take_many(api_key, key, orders))

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

    def _once(
        self, api_key: str, key: str, asked: object, pause: Callable[[], None], work: Callable[[], Reply]
    ) -> tuple[Reply, bool]:
        stored = self._reserve(api_key, key, asked)
        if stored is not None:
            if stored.reply is None:
                return refusal(409, "IDEMPOTENCY_IN_PROGRESS", "A request with this key is still being worked"), False
            return stored.reply, True
        reply = None
        try:
            pause()
            reply = work()
        finally:
            self._store(api_key, key, reply)
        return reply, False

    def _reserve(self, api_key: str, key: str, asked: object) -> _Stored | None:
        """What is stored under the key; None when this call is the first, which then holds the key."""
        if not key:
            return None
        now = self.clock()
        with self._lock:
            self.calls_by_key[key] += 1
            stored = self._answers.get((api_key, key))
            if stored is not None and now - stored.at < KEY_SECONDS:
                if stored.asked != asked:
                    self.mismatches.append(key)
                return stored
            self._answers[(api_key, key)] = _Stored(None, now, asked)
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

    def _take_one(self, api_key: str, key: str, order: Order) -> Reply:
        account, count = self.accounts[api_key], 1 if order.product == "viber" else parts(order.text)
        with self._lock:
            if account.too_fast(self.clock(), self.rate):
                return _SLOW_DOWN
            if api_key.startswith(TEST_KEY):
                return Reply(200, {"success": True, "message_id": _sandbox_id(), "parts": count, "sandbox": True})
            if account.has_left(order.to, order.sender_id):
                return refusal(422, "ALREADY_UNSUBSCRIBED", "The recipient has unsubscribed from this sender")
            if broke := account.pays(count):
                return refusal(402, broke, f"insufficient credits: need {count}")
            one = self._accept(api_key, key, order, count)
        if order.product == "viber":
            answer = {"message_id": one.message_id, "recipient": order.to, "credits_used": count}
            return Reply(200, {"success": True, **answer})
        return Reply(200, {"success": True, "message_id": one.message_id, "parts": count})

    def _take_many(self, api_key: str, key: str, orders: Sequence[Order]) -> Reply:
        account, count = self.accounts[api_key], parts(orders[0].text)
        with self._lock:
            if account.too_fast(self.clock(), self.rate):
                return _SLOW_DOWN
            test = api_key.startswith(TEST_KEY)
            if not test and (broke := account.pays(count * len(orders))):
                return refusal(402, broke, f"insufficient credits: need {count * len(orders)}")
            results = [self._one_of_many(api_key, key, order, count) for order in orders]
            sent = sum(1 for each in results if each["success"])
            account.credits += 0 if test else count * (len(orders) - sent)
        whole = {"success": sent == len(orders), "total": len(orders), "sent": sent, "failed": len(orders) - sent}
        return Reply(200, {**whole, "results": results} | ({"sandbox": True} if test else {}))

    def _one_of_many(self, api_key: str, key: str, order: Order, count: int) -> dict[str, Any]:
        if api_key.startswith(TEST_KEY):
            return {"to": order.to, "success": True, "message_id": _sandbox_id(), "parts": count}
        if self.accounts[api_key].has_left(order.to, order.sender_id):
            return {"to": order.to, "success": False, "error": "recipient has unsubscribed"}
        if self.outcomes.get(number_key(order.to)) == "failed":
            return {"to": order.to, "success": False, "error": "failed to send message"}
        one = self._accept(api_key, key, order, count)
        return {"to": order.to, "success": True, "message_id": one.message_id, "parts": count}

    def _accept(self, api_key: str, key: str, order: Order, count: int) -> Accepted:
        """A sender id that is not approved is taken all the same: only the carrier rejects it, later."""
        account, viber = self.accounts[api_key], order.product == "viber"
        approved = account.sim_ids if order.product == "sim" else account.sender_ids
        default = approved[0] if approved else ""
        ends = self.outcomes.get(number_key(order.to)) or self.progress.outcome
        if order.sender_id and order.sender_id not in approved and not viber:
            ends = "rejected"
        message_id = ("cstvbr_" if viber else "CAST") + self.ids.new("cast").upper()
        progress, sender_id = replace(self.progress, outcome=ends), order.sender_id or default
        one = Accepted(
            message_id, self.clock(), api_key, key, order.to, order.text, sender_id, count, progress, order.product
        )
        self._accepted[message_id] = one
        while len(self._accepted) > self.keep:
            self._accepted.popitem(last=False)
        return one


def _sandbox_id() -> str:
    return "SANDBOX_" + secrets.token_hex(8)
