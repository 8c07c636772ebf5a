"""Choosing the sender of a message: a pure decision that never guesses and always says why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from portal.models import FailoverPolicy
from portal.wording import noted


class Verdict(StrEnum):
    """What the choice means for the message."""

    SEND = "send"
    HOLD = "hold"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sender of the message's own location. `usable` is False when it is paused or its line is not ready: `phrase`
    then says what it is, `sentence` the same with the remedy. `ill` says what else is wrong with it ("does not
    answer"): what it is given waits for it, unless another one may stand in."""

    id: int
    name: str
    channel: str
    family: str
    usable: bool
    is_default: bool
    phrase: str = noted("is paused")
    sentence: str = "is paused: resume it, and this goes out."
    ill: str = ""

    @property
    def well(self) -> bool:
        """May messages be led to it that are another's?"""
        return self.usable and not self.ill


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
class Switch:
    """What goes through a sender goes through `to_id` instead, or through any that can take it; why, in words."""

    to_id: int | None
    reason: str


def _everybody(_sender_id: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class StandIns:
    """Who may go in for another: the location's policy, over the whole `family` or the channel alone, and the
    `switches` by the sender that they lead away from. `fits` says whether a sender could send this very message."""

    policy: str = FailoverPolicy.HOLD
    family: bool = False
    switches: Mapping[int, Switch] = field(default_factory=dict)
    fits: Callable[[int], bool] = _everybody

    def first(self, senders: Sequence[Candidate], wanted: Candidate) -> Candidate | None:
        """The first in the senders' order that the policy lets stand in.

        For one that cannot send at all, at last one that could not send this message either: it then says why not.
        """
        if self.policy != FailoverPolicy.SAME_CHANNEL:
            return None
        found = self.find(senders, wanted, whole_family=self.family)
        if found is None and not wanted.usable:
            return replace(self, fits=_everybody).find(senders, wanted, whole_family=self.family)
        return found

    def find(self, senders: Sequence[Candidate], wanted: Candidate, *, whole_family: bool) -> Candidate | None:
        """The first of the family, or of the channel alone, that is well and could send the message.

        Never one that is itself switched away from: only a switch that names it leads there.
        """
        for each in senders:
            same = each.family == wanted.family and (whole_family or each.channel == wanted.channel)
            other = each.id != wanted.id and each.id not in self.switches
            if same and other and each.well and self.fits(each.id):
                return each
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision. `reason` is kept with the message and shown to people; `instead_of` is whom its sender stands in
    for."""

    verdict: Verdict
    reason: str
    sender_id: int | None = None
    instead_of: int | None = None


CHOOSE_DEFAULT = "Several senders could take this and none is the default: choose a default sender."


def choose(senders: Sequence[Candidate], rules: Sequence[Rule], wish: Wish, stand_ins: StandIns) -> Choice:
    """Named → sticky → rules → default → the only one. Several and none of these → held; none at all → failed.

    One that is switched away from, or that cannot send, has another stand in as `stand_ins` allow.
    """
    by_id = {sender.id: sender for sender in senders}
    if wish.named is not None and wish.named not in by_id:
        return Choice(Verdict.FAIL, "The sender that was asked for does not exist in this sub-account.")
    picked = _pick(senders, rules, wish)
    if picked is None:
        if senders:
            return Choice(Verdict.HOLD, CHOOSE_DEFAULT)
        return Choice(Verdict.FAIL, "This sub-account has no sender: add one on the app's page.")
    sender, reason = picked
    if (switched := _switched(senders, by_id, sender, reason, stand_ins)) is not None:
        return switched
    if sender.well:
        return Choice(Verdict.SEND, reason, sender.id)
    return _stand_in(senders, sender, reason, stand_ins)


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the choice: whom its answer picks, if anybody. `reason` is kept with the message then."""

    reason: str
    sender: Candidate | None
    rule: Rule | None = None


def questions(senders: Sequence[Candidate], rules: Sequence[Rule], wish: Wish) -> Iterator[Question]:
    """All of them in their order; the first that picks somebody decides, and the rest is not asked."""
    by_id = {sender.id: sender for sender in senders}
    if wish.named is not None:
        yield Question(noted("named by the request"), by_id.get(wish.named))
    yield Question(noted("the conversation's own sender"), by_id.get(wish.sticky) if wish.sticky is not None else None)
    yield Question(
        noted("the line that the contact's tag names"), by_id.get(wish.before) if wish.before is not None else None
    )
    for rule in rules:
        fits = by_id.get(rule.sender_id) if _matches(rule, wish) else None
        yield Question(f"rule: {rule.kind} {rule.value}", fits, rule)
    yield Question(noted("the default sender"), next((sender for sender in senders if sender.is_default), None))
    yield Question(noted("the only sender"), senders[0] if len(senders) == 1 else None)


def _pick(senders: Sequence[Candidate], rules: Sequence[Rule], wish: Wish) -> tuple[Candidate, str] | None:
    answers = ((each.sender, each.reason) for each in questions(senders, rules, wish))
    return next(((sender, reason) for sender, reason in answers if sender is not None), None)


def _matches(rule: Rule, wish: Wish) -> bool:
    match rule.kind:
        case "tag":
            return rule.value.casefold() in {tag.casefold() for tag in wish.tags}
        case "prefix":
            return wish.address.startswith(rule.value)
        case "user":
            return rule.value == wish.user_id
    return False


def _switched(
    senders: Sequence[Candidate], by_id: dict[int, Candidate], wanted: Candidate, reason: str, stand_ins: StandIns
) -> Choice | None:
    """The choice that a switch leads to; None without one, or when whom it names cannot take the message."""
    switch = stand_ins.switches.get(wanted.id)
    if switch is None:
        return None
    if switch.to_id is None:
        other = stand_ins.find(senders, wanted, whole_family=True)
    else:
        named = by_id.get(switch.to_id)
        other = named if named is not None and named.well and stand_ins.fits(named.id) else None
    return _instead(other, wanted, f"is switched away from: {switch.reason}", reason) if other is not None else None


def _instead(other: Candidate, wanted: Candidate, why: str, reason: str) -> Choice:
    text = f"{other.name} stands in for {wanted.name}, which {why} ({reason})"
    return Choice(Verdict.SEND, text, other.id, wanted.id)


def _stand_in(senders: Sequence[Candidate], wanted: Candidate, reason: str, stand_ins: StandIns) -> Choice:
    if stand_ins.policy == FailoverPolicy.FAIL and not wanted.usable:
        text = f"{wanted.name} ({reason}) {wanted.phrase}, and this sub-account wants such messages failed."
        return Choice(Verdict.FAIL, text)
    other = stand_ins.first(senders, wanted)
    if other is not None:
        return _instead(other, wanted, wanted.ill if wanted.usable else wanted.phrase, reason)
    if wanted.usable:
        return Choice(Verdict.SEND, reason, wanted.id)
    return Choice(Verdict.HOLD, f"{wanted.name} ({reason}) {wanted.sentence}", wanted.id)
