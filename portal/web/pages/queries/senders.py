"""Reading senders: each with its sub-account, its gate and what waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Channel
from portal.channels.capabilities import LinksPhone
from portal.messaging.line_states import IN_VAIN, SENDING
from portal.messaging.releasing import HELD
from portal.models import Alert, Gate, Location, Message, Sender, SenderState
from portal.queue.gates import sender_gate
from portal.web.pages import sender_standing
from portal.web.pages.queries.pages import PAGE, Page
from portal.web.pages.queries.scope import Scope
from portal.web.pages.sender_standing import Standing

ATTENTION = "attention"
MOST_HELD = 100_000
MOST_ALERTS = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which senders a page shows: all or those that need somebody, with a text in name or number, before an id.

    Those of one `location` come in its own order, in which `before` is the last that was shown; all others by age.
    """

    state: str = ""
    text: str = ""
    before: int | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One sender. `held` is how many of its messages wait, `linkable` whether it is a phone that a person links."""

    sender: Sender
    location: Location
    channel: Channel
    linkable: bool
    held: int
    standing: Standing


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Line]:
    """The senders that are not removed. `wanted.location` must be in scope."""
    rows = session.execute(scope.narrow(_filtered(session, wanted)).limit(PAGE + 1)).all()
    lines = _lines(session, rows[:PAGE])
    return Page(lines, lines[-1].sender.id if len(rows) > PAGE else None)


def one(session: Session, scope: Scope, sender_id: int) -> Line | None:
    """One sender, when it is in scope and not removed."""
    rows = session.execute(scope.narrow(_present().where(Sender.id == sender_id))).all()
    return next(iter(_lines(session, rows)), None)


def lacks_default(session: Session, location_id: int) -> bool:
    """Has the location several senders, none of them the default? What nothing else decides about is held then."""
    present = Sender.location_id == location_id, Sender.state != SenderState.REMOVED
    rows = session.scalars(select(Sender.is_default).where(*present)).all()
    return len(rows) > 1 and not any(rows)


def alerts(session: Session, sender_id: int) -> Sequence[Alert]:
    """What a person was told of a sender, open or over, the latest first."""
    own = sender_gate(sender_id)
    mine = or_(Alert.subject == own, Alert.subject.startswith(f"{own}:", autoescape=True))
    return session.scalars(select(Alert).where(mine).order_by(Alert.id.desc()).limit(MOST_ALERTS)).all()


def _present() -> Any:
    joined = select(Sender, Location).join(Location, Location.id == Sender.location_id)
    return joined.where(Sender.state != SenderState.REMOVED)


def _ordered(session: Session, wanted: Wanted) -> Any:
    if wanted.location is None:
        found = _present().order_by(Sender.id.desc())
        return found.where(Sender.id < wanted.before) if wanted.before is not None else found
    found = _present().where(Sender.location_id == wanted.location.id).order_by(Sender.position, Sender.id)
    last = session.get(Sender, wanted.before) if wanted.before is not None else None
    if last is None or last.location_id != wanted.location.id:
        return found
    return found.where(tuple_(Sender.position, Sender.id) > (last.position, last.id))


def _filtered(session: Session, wanted: Wanted) -> Any:
    found = _ordered(session, wanted)
    if wanted.state == ATTENTION:
        ill = Sender.line_state.not_in(SENDING), Sender.line_failures >= IN_VAIN, Sender.state == SenderState.PAUSED
        found = found.where(or_(*ill))
    if wanted.text:
        named = (Sender.name, Sender.address, Sender.line_address, Location.name)
        found = found.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in named)))
    return found


def _lines(session: Session, rows: Sequence[Any]) -> list[Line]:
    senders = [row[0] for row in rows]
    keys = {sender_gate(each.id, each.account_key) for each in senders}
    shut = select(Gate).where(Gate.key.in_(keys), Gate.blocked_until > clock.now())
    gates = {gate.key: gate for gate in session.scalars(shut)}
    held = _held(session, {each.location_id for each in senders})
    found = []
    for sender, location in rows:
        channel = registry.get(sender.channel)
        linkable = isinstance(channel, LinksPhone)
        gate = gates.get(sender_gate(sender.id, sender.account_key))
        standing = sender_standing.of(sender, gate, linkable=linkable)
        found.append(Line(sender, location, channel, linkable, held.get(sender.id, 0), standing))
    return found


def _held(session: Session, places: set[int]) -> dict[int, int]:
    """By sender, as far as it is worth counting; what waits for the choice of a sender has none."""
    own = select(Message.sender_id).where(HELD, Message.location_id.in_(places), Message.sender_id.is_not(None))
    few = own.limit(MOST_HELD).subquery()
    return {row[0]: row[1] for row in session.execute(select(few.c.sender_id, func.count()).group_by(few.c.sender_id))}
