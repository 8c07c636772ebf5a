"""Choosing the sender of a message: a pure decision that never guesses and always says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from portal.models import FailoverPolicy


class Verdict(StrEnum):
    """What the choice means for the message."""

    SEND = "send"
    HOLD = "hold"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sender of the message's own location. `usable` is False when it is paused or its line is not ready: `phrase`
    then says what it is, `sentence` the same with the remedy."""

    id: int
    name: str
    channel: str
    family: str
    usable: bool
    is_default: bool
    phrase: str = "is paused"
    sentence: str = "is paused: resume it, and this goes out."


@dataclass(frozen=True, slots=True)
class Rule:
    """A location's rule; `kind` is tag, prefix or user."""

    kind: str
    value: str
    sender_id: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What the message brings along: a sender named by the request, who wrote it, and to whom.

    `before` is the sender that a tag of the replaced system names; it counts until the conversation has one.
    """

    named: int | None
    sticky: int | None
    tags: Sequence[str]
    address: str
    user_id: str
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision. `reason` is kept with the message and shown to people."""

    verdict: Verdict
    reason: str
    sender_id: int | None = None


CHOOSE_DEFAULT = "Several senders could take this and none is the default: choose a default sender."


def choose(senders: Sequence[Candidate], rules: Sequence[Rule], wish: Wish, policy: str) -> Choice:
    """Named → sticky → rules → default → the only one. Several and none of these → held; none at all → failed."""
    by_id = {sender.id: sender for sender in senders}
    if wish.named is not None and wish.named not in by_id:
        return Choice(Verdict.FAIL, "The sender that was asked for does not exist in this sub-account.")
    picked = _pick(senders, by_id, rules, wish)
    if picked is None:
        if senders:
            return Choice(Verdict.HOLD, CHOOSE_DEFAULT)
        return Choice(Verdict.FAIL, "This sub-account has no sender: add one on the app's page.")
    sender, reason = picked
    return Choice(Verdict.SEND, reason, sender.id) if sender.usable else _stand_in(senders, sender, reason, policy)


def _pick(
    senders: Sequence[Candidate], by_id: dict[int, Candidate], rules: Sequence[Rule], wish: Wish
) -> tuple[Candidate, str] | None:
    if wish.named is not None:
        return by_id[wish.named], "named by the request"
    if wish.sticky in by_id:
        return by_id[wish.sticky], "the conversation's own sender"
    if wish.before in by_id:
        return by_id[wish.before], "the line that the contact's tag names"
    for rule in rules:
        if rule.sender_id in by_id and _matches(rule, wish):
            return by_id[rule.sender_id], f"rule: {rule.kind} {rule.value}"
    default = next((sender for sender in senders if sender.is_default), None)
    if default is not None:
        return default, "the default sender"
    return (senders[0], "the only sender") if len(senders) == 1 else None


def _matches(rule: Rule, wish: Wish) -> bool:
    match rule.kind:
        case "tag":
            return rule.value.casefold() in {tag.casefold() for tag in wish.tags}
        case "prefix":
            return wish.address.startswith(rule.value)
        case "user":
            return rule.value == wish.user_id
    return False


def _stand_in(senders: Sequence[Candidate], wanted: Candidate, reason: str, policy: str) -> Choice:
    if policy == FailoverPolicy.FAIL:
        text = f"{wanted.name} ({reason}) {wanted.phrase}, and this sub-account wants such messages failed."
        return Choice(Verdict.FAIL, text)
    if policy == FailoverPolicy.SAME_CHANNEL:
        other = next((each for each in senders if each.usable and each.channel == wanted.channel), None)
        if other is not None:
            text = f"{other.name} stands in for {wanted.name}, which {wanted.phrase} ({reason})"
            return Choice(Verdict.SEND, text, other.id)
    return Choice(Verdict.HOLD, f"{wanted.name} ({reason}) {wanted.sentence}", wanted.id)
