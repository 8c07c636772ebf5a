"""What can go wrong on purpose: rules that spoil the next calls of a route, or all of them until switched off."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Effect(StrEnum):
    """What a rule does to a call. Only where the name says so, or the call is answered, was it applied."""

    STATUS = "status"
    STATUS_AFTER = "status_after"
    HALF_ANSWER = "half_answer"
    SILENCE = "silence"
    SILENCE_BEFORE = "silence_before"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    SLOW = "slow"


EXPLAINED = {
    Effect.STATUS: "refuses with a status; nothing is applied",
    Effect.STATUS_AFTER: "applies the call, then answers with an error status",
    Effect.HALF_ANSWER: "applies the call, sends half the answer and closes",
    Effect.SILENCE: "applies the call and says nothing for some seconds",
    Effect.SILENCE_BEFORE: "applies nothing and says nothing for some seconds",
    Effect.RESET_BEFORE: "resets the connection; nothing is applied",
    Effect.RESET_AFTER: "applies the call, then resets the connection",
    Effect.SLOW: "waits some seconds, then works as usual",
}

# Effects that spare the call itself: it is not applied.
PREVENTING = frozenset({Effect.STATUS, Effect.SILENCE_BEFORE, Effect.RESET_BEFORE})


@dataclass(slots=True)
class Rule:
    """One fault. `where` is a route like `cast.send`, or a pattern like `ghl.*`.

    `times` is how many calls it still strikes, None for all until it is switched off; the first `skip` calls pass.
    `only` limits it to calls whose path or body contains the text. `seconds` belongs to silences and slowness,
    `status` and `retry_after` (seconds) to refusals. `name` says which switch of the page set it.
    """

    where: str
    effect: Effect
    times: int | None = 1
    skip: int = 0
    only: str = ""
    status: int = 500
    seconds: float = 30.0
    retry_after: int | None = None
    name: str = ""
    number: int = 0
    struck: int = 0

    @property
    def label(self) -> str:
        """How the fault is named in records."""
        code = str(self.status) if self.effect in (Effect.STATUS, Effect.STATUS_AFTER) else ""
        return self.name or f"{self.effect}{code and ':'}{code}"


class Faults:
    """The rules in force. The first that fits strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._made = 0

    def arm(
        self,
        where: str,
        effect: Effect | str,
        *,
        times: int | None = 1,
        skip: int = 0,
        only: str = "",
        status: int = 500,
        seconds: float = 30.0,
        retry_after: int | None = None,
        name: str = "",
    ) -> Rule:
        """Puts a rule in force and returns it, for `disarm` and its count of strikes."""
        rule = Rule(where, Effect(effect), times, skip, only, status, seconds, retry_after, name)
        with self._lock:
            self._made += 1
            rule.number = self._made
            self._rules.append(rule)
        return rule

    def disarm(self, which: Rule | int | str) -> int:
        """Takes rules out of force, by rule, number or name. Returns how many."""
        with self._lock:
            kept = [rule for rule in self._rules if which not in (rule.number, rule.name) and which is not rule]
            gone = len(self._rules) - len(kept)
            self._rules = kept
        return gone

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._rules = []

    def armed(self) -> list[Rule]:
        """The rules in force."""
        with self._lock:
            return list(self._rules)

    def take(self, route: str, path: str, body: bytes) -> Rule | None:
        """The rule that strikes this call, if any, counted."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if fnmatchcase(route, rule.where) and _fits(rule, path, body):
                    return self._strike(rule)
        return None

    def _strike(self, rule: Rule) -> Rule | None:
        if rule.skip > 0:
            rule.skip -= 1
            return None
        rule.struck += 1
        if rule.times is not None:
            rule.times -= 1
            if rule.times <= 0:
                self._rules.remove(rule)
        return rule


def _fits(rule: Rule, path: str, body: bytes) -> bool:
    return not rule.only or rule.only in path or rule.only.encode() in body
