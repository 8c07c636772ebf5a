"""Reading the overview: the queue, what is held back, alerts, and the locations with their senders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from portal import clock
from portal.models import Alert, Gate, Job, Location, Message, Sender, SenderState
from portal.queue.gates import ghl_gate, poll_gate, sender_gate
from portal.web.admin.queries.scope import Scope, location_ids, locations, sender_ids

MOST_LOCATIONS = 200
MOST_NOTICES = 50
MOST_HELD = 100_000
# The condition of the index, word for word: SQLite uses a partial index only for what it can read in the statement.
_HELD = text("message.held")


@dataclass(frozen=True, slots=True)
class Queued:
    """Work of one pool that is due and that nobody has in hand."""

    pool: str
    due: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Shut:
    """A gate that is closed by a fault, and whose it is."""

    gate: Gate
    what: str
    location: Location


@dataclass(frozen=True, slots=True)
class Line:
    """A sender and its gate; `gate` is None when nothing holds it back."""

    sender: Sender
    gate: Gate | None


@dataclass(frozen=True, slots=True)
class Place:
    """A location with its senders, how many of its messages are held, and its HighLevel gate when that is closed."""

    location: Location
    lines: Sequence[Line]
    held: int
    gate: Gate | None


def queue(session: Session) -> list[Queued]:
    """The due work by pool. The job table holds only what is still to do."""
    moment = clock.now()
    free = or_(Job.lease_until.is_(None), Job.lease_until < moment)
    due = select(Job.pool, func.count(), func.min(Job.run_at)).where(Job.run_at <= moment, free)
    return [Queued(*row) for row in session.execute(due.group_by(Job.pool).order_by(Job.pool))]


def shut_gates(session: Session, scope: Scope) -> list[Shut]:
    """The gates that are closed now, the first to open first, at most fifty."""
    closed = select(Gate).where(Gate.blocked_until > clock.now()).order_by(Gate.blocked_until).limit(MOST_NOTICES)
    if not scope.everything:
        senders, places = sender_ids(session, scope), location_ids(session, scope)
        keys = {key(each) for each in senders for key in (sender_gate, poll_gate)} | {ghl_gate(each) for each in places}
        closed = closed.where(Gate.key.in_(keys))
    gates = [(gate, *_subject(gate.key)) for gate in session.scalars(closed)]
    senders_by_id = {
        row.id: row for row in session.scalars(select(Sender).where(Sender.id.in_(_ids(gates, "sender", "poll"))))
    }
    wanted = _ids(gates, "ghl") | {sender.location_id for sender in senders_by_id.values()}
    places_by_id = {row.id: row for row in session.scalars(select(Location).where(Location.id.in_(wanted)))}
    found = []
    for gate, kind, subject in gates:
        sender = senders_by_id.get(subject) if kind in ("sender", "poll") else None
        place = places_by_id.get(sender.location_id if sender else subject)
        if place is not None and (sender is not None or kind == "ghl"):
            found.append(Shut(gate, _what(kind, sender), place))
    return found


def _subject(key: str) -> tuple[str, int]:
    kind, _, number = key.partition(":")
    return kind, int(number) if number.isdigit() else 0


def _ids(gates: Sequence[tuple[Gate, str, int]], *kinds: str) -> set[int]:
    return {subject for _, kind, subject in gates if kind in kinds}


def _what(kind: str, sender: Sender | None) -> str:
    if sender is None:
        return "HighLevel"
    return sender.name if kind == "sender" else f"status questions of {sender.name}"


def alerts(session: Session, scope: Scope) -> Sequence[Alert]:
    """Open alerts, the latest first. What concerns no location (forged or unreadable webhooks) is the operator's."""
    wanted = select(Alert).where(Alert.closed_at.is_(None)).order_by(Alert.last_at.desc()).limit(MOST_NOTICES)
    if not scope.everything:
        wanted = wanted.join(Location, Location.id == Alert.location_id)
    return session.scalars(scope.narrow(wanted)).all()


def alert(session: Session, scope: Scope, alert_id: int) -> Alert | None:
    """The open alert with this id, when it is in scope."""
    wanted = select(Alert).where(Alert.id == alert_id, Alert.closed_at.is_(None))
    if not scope.everything:
        wanted = wanted.join(Location, Location.id == Alert.location_id)
    found: Alert | None = session.scalar(scope.narrow(wanted))
    return found


def places(session: Session, scope: Scope) -> list[Place]:
    """The first locations by name, with their senders."""
    rows = locations(session, scope, MOST_LOCATIONS)
    ids = [row.id for row in rows]
    lines: dict[int, list[Sender]] = {}
    present = Sender.location_id.in_(ids), Sender.state != SenderState.REMOVED
    for sender in session.scalars(select(Sender).where(*present).order_by(Sender.position, Sender.id)):
        lines.setdefault(sender.location_id, []).append(sender)
    gates = _closed(session, [each.id for found in lines.values() for each in found], ids)
    held = _held(session, ids)
    return [
        Place(
            row,
            [Line(sender, gates.get(sender_gate(sender.id))) for sender in lines.get(row.id, [])],
            held.get(row.id, 0),
            gates.get(ghl_gate(row.id)),
        )
        for row in rows
    ]


def _closed(session: Session, senders: Sequence[int], places: Sequence[int]) -> dict[str, Gate]:
    keys = [sender_gate(each) for each in senders] + [ghl_gate(each) for each in places]
    wanted = select(Gate).where(Gate.key.in_(keys), Gate.blocked_until > clock.now())
    return {gate.key: gate for gate in session.scalars(wanted)}


def _held(session: Session, places: Sequence[int]) -> dict[int, int]:
    """Counted in the index of held messages, whoever holds them; the caller keeps the locations that are asked for."""
    held = select(Message.location_id).where(_HELD).limit(MOST_HELD).subquery()
    counted = session.execute(select(held.c.location_id, func.count()).group_by(held.c.location_id))
    return {row[0]: row[1] for row in counted if row[0] in places}
