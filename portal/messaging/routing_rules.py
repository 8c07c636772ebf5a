"""What a person sets of a location's routing: its rules and their order, its default sender, whose a conversation is.

Every change has what is held tried again: it may have waited for just that.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import InvalidInput, NotFound, WrongField
from portal.messaging import senders as domain
from portal.messaging.choosing import RULE_ORDER
from portal.messaging.locks import lock_conversation
from portal.messaging.releasing import release_held
from portal.messaging.sender_settings import no_default
from portal.messaging.storable import storable
from portal.models import Conversation, Location, RoutingRule, Sender, SenderState

# Every message of the location reads them all.
MOST_RULES = 50
LONGEST = 160
KINDS = ("tag", "prefix", "user")
_SPACES = re.compile(r"[\s().\-/]+")
_PREFIX = re.compile(r"\+[1-9]\d{0,14}")
GONE = "There is no such rule any more."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule as somebody typed it; `rule_id` is the one that it takes the place of."""

    kind: str
    value: str
    sender_id: int | None
    rule_id: int | None = None


def of(session: Session, location_id: int) -> Sequence[RoutingRule]:
    """The location's rules in their order."""
    own = select(RoutingRule).where(RoutingRule.location_id == location_id)
    return session.scalars(own.order_by(*RULE_ORDER)).all()


def save(session: Session, location: Location, wanted: Wanted) -> int:
    """Adds a rule at the end, or changes one in its place; returns how many held messages are tried again.

    Raises `WrongField` for the field that is wrong, `NotFound` when the rule is gone.
    """
    value = _value(wanted.kind, wanted.value)
    sender = _sender(session, location, wanted.sender_id)
    _lock(session, location)
    rules = of(session, location.id)
    row = _one(rules, wanted.rule_id) if wanted.rule_id is not None else None
    same = (each for each in rules if (each.kind, each.value.casefold()) == (wanted.kind, value.casefold()))
    if any(each is not row for each in same):
        raise WrongField("value", "There is a rule for this already: change that one.")
    if row is None:
        if len(rules) >= MOST_RULES:
            raise InvalidInput(f"A sub-account has at most {MOST_RULES} rules: remove one first.")
        row = RoutingRule(location_id=location.id, position=rules[-1].position + 1 if rules else 0)
        session.add(row)
    row.kind, row.value, row.sender_id = wanted.kind, value, sender.id
    session.flush()
    return release_held(session, location.id)


def remove(session: Session, location: Location, rule_id: int) -> None:
    """Takes a rule away. Raises `NotFound`."""
    _lock(session, location)
    session.delete(_one(of(session, location.id), rule_id))
    session.flush()
    release_held(session, location.id)


def move(session: Session, location: Location, rule_id: int, places: int) -> None:
    """Has a rule asked so many places later, or earlier when negative. Raises `NotFound`."""
    _lock(session, location)
    rules = list(of(session, location.id))
    row = _one(rules, rule_id)
    place = rules.index(row)
    rules.insert(min(max(place + places, 0), len(rules) - 1), rules.pop(place))
    for position, each in enumerate(rules):
        each.position = position


def set_default(session: Session, location: Location, sender_id: int | None) -> int:
    """Makes a sender the default, or none; returns how many held messages are tried again."""
    if sender_id is not None:
        return domain.make_default(session, _sender(session, location, sender_id).id)
    now = session.scalar(select(Sender.id).where(Sender.location_id == location.id, Sender.is_default))
    return no_default(session, now) if now is not None else 0


def set_own(session: Session, location: Location, conversation_id: int, sender_id: int | None) -> int:
    """Gives a conversation its own sender, or none: then the rules choose again. Raises `NotFound`, `WrongField`."""
    sender = _sender(session, location, sender_id) if sender_id is not None else None
    own = Conversation.id == conversation_id, Conversation.location_id == location.id
    if session.scalar(select(Conversation.id).where(*own)) is None:
        raise NotFound("There is no such conversation in this sub-account.")
    conversation = lock_conversation(session, conversation_id)
    conversation.sticky_sender_id = sender.id if sender is not None else None
    session.flush()
    return release_held(session, location.id)


def _value(kind: str, typed: str) -> str:
    if kind not in KINDS:
        raise WrongField("kind", "Choose what the rule looks at.")
    value = storable(typed).strip()
    if not value:
        raise WrongField("value", _MISSING[kind])
    if len(value) > LONGEST:
        raise WrongField("value", f"This is longer than {LONGEST} characters.")
    return _READ.get(kind, str)(value)


_MISSING = {
    "tag": "Write the tag as it stands in HighLevel.",
    "prefix": "Write how the numbers begin, like +63917.",
    "user": "Write the user's id in HighLevel.",
}


def _prefix(value: str) -> str:
    """+63 917, +63-917 and 0063917 are all +63917."""
    plain = _SPACES.sub("", value)
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    if not _PREFIX.fullmatch(plain):
        raise WrongField("value", "Write it with + and the country code, digits only: for example +63917.")
    return plain


_READ: dict[str, Callable[[str], str]] = {"prefix": _prefix}


def _sender(session: Session, location: Location, sender_id: int | None) -> Sender:
    own = Sender.id == sender_id, Sender.location_id == location.id, Sender.state != SenderState.REMOVED
    found = session.scalar(select(Sender).where(*own)) if sender_id is not None else None
    if found is None:
        raise WrongField("sender", "Choose one of this sub-account's senders.")
    return found


def _one(rules: Sequence[RoutingRule], rule_id: int) -> RoutingRule:
    found = next((each for each in rules if each.id == rule_id), None)
    if found is None:
        raise NotFound(GONE)
    return found


def _lock(session: Session, location: Location) -> None:
    """Rules are added and moved one after the other; messages that refer to the location go on meanwhile."""
    session.scalar(select(Location.id).where(Location.id == location.id).with_for_update(key_share=True))
