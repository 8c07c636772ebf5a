"""Reading the overview: the queue, what is held back, alerts, and the locations with their senders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.capabilities import LinksPhone
from portal.messaging.provider_accounts import gates_of
from portal.messaging.releasing import HELD
from portal.models import AccountHealth, Alert, Gate, Job, Location, Message, ProviderAccount, Sender, SenderState
from portal.queue.gates import ghl_gate, sender_gate
from portal.web.pages import sender_standing
from portal.web.pages.queries.scope import Scope, location_ids, locations
from portal.web.pages.queries.stand_ins import health
from portal.web.pages.sender_standing import Standing

MOST_LOCATIONS = 200
MOST_NOTICES = 50
MOST_HELD = 100_000


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
    """A sender, its gate (None when nothing holds it back), its account, where its provider has one to share, and what
    was measured of it of late."""

    sender: Sender
    gate: Gate | None
    standing: Standing
    account: ProviderAccount | None = None
    health: AccountHealth | None = None


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
    """The gates that are closed now, the first to open first, at most fifty.

    The gate of an account stands with the first of its senders that is in scope: others may be another agency's.
    """
    closed = select(Gate).where(Gate.blocked_until > clock.now()).order_by(Gate.blocked_until).limit(MOST_NOTICES)
    if not scope.everything:
        closed = closed.where(Gate.key.in_(_keys(session, scope)))
    gates = session.scalars(closed).all()
    senders = _senders_of(session, scope, gates)
    wanted = {sender.location_id for sender in senders.values()} | _numbers(gates, "ghl")
    places = {row.id: row for row in session.scalars(select(Location).where(Location.id.in_(wanted)))}
    found = []
    for gate in gates:
        kind, _, subject = gate.key.partition(":")
        sender = senders.get(gate.key)
        place = places.get(sender.location_id if sender else int(subject) if kind == "ghl" else 0)
        if place is not None and (sender is not None or kind == "ghl"):
            found.append(Shut(gate, _what(kind, sender), place))
    return found


def _keys(session: Session, scope: Scope) -> set[str]:
    senders = session.scalars(scope.narrow(select(Sender).join(Location)))
    return {key for sender in senders for key in gates_of(sender)} | {
        ghl_gate(id_) for id_ in location_ids(session, scope)
    }


def _senders_of(session: Session, scope: Scope, gates: Sequence[Gate]) -> dict[str, Sender]:
    """By gate, the sender that it holds back."""
    accounts = {gate.key.partition(":")[2] for gate in gates if gate.key.startswith(("account:", "polls:"))}
    own = _numbers(gates, "sender", "poll")
    behind = select(Sender).join(Location).where(or_(Sender.id.in_(own), Sender.account_key.in_(accounts)))
    found: dict[str, Sender] = {}
    for sender in session.scalars(scope.narrow(behind).order_by(Sender.state == SenderState.REMOVED, Sender.id)):
        for key in gates_of(sender):
            found.setdefault(key, sender)
    return found


def _numbers(gates: Sequence[Gate], *kinds: str) -> set[int]:
    named = [gate.key.partition(":") for gate in gates]
    return {int(subject) for kind, _, subject in named if kind in kinds and subject.isdigit()}


def _what(kind: str, sender: Sender | None) -> str:
    if sender is None:
        return "HighLevel"
    questions = kind in ("poll", "polls")
    name = f"{sender.name} and its account" if sender.account_key else sender.name
    return f"status questions of {name}" if questions else name


def alerts(session: Session, scope: Scope) -> Sequence[Alert]:
    """Open alerts, the latest first. What concerns no location (forged or unreadable webhooks) is the operator's."""
    wanted = select(Alert).where(Alert.closed_at.is_(None)).order_by(Alert.last_at.desc()).limit(MOST_NOTICES)
    if not scope.everything:
        wanted = wanted.join(Location, Location.id == Alert.location_id)
    return session.scalars(scope.narrow(wanted)).all()


def alert(session: Session, scope: Scope, alert_id: int) -> Alert | None:
    """The alert with this id, open or closed, when it is in scope."""
    wanted = select(Alert).where(Alert.id == alert_id)
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
    present_senders = [each for found in lines.values() for each in found]
    gates = _closed(session, present_senders, ids)
    accounts = _accounts(session, present_senders)
    held = _held(session, ids)
    measured = health(session, present_senders)
    return [
        Place(
            row,
            [_line(sender, gates, accounts, measured.get(sender.id)) for sender in lines.get(row.id, [])],
            held.get(row.id, 0),
            gates.get(ghl_gate(row.id)),
        )
        for row in rows
    ]


def _line(
    sender: Sender, gates: dict[str, Gate], accounts: dict[str, ProviderAccount], measured: AccountHealth | None
) -> Line:
    gate = gates.get(sender_gate(sender.id, sender.account_key))
    linkable = isinstance(registry.get(sender.channel), LinksPhone)
    standing = sender_standing.of(sender, gate, linkable=linkable)
    return Line(sender, gate, standing, accounts.get(sender.account_key), measured)


def _accounts(session: Session, senders: Sequence[Sender]) -> dict[str, ProviderAccount]:
    keys = {sender.account_key for sender in senders if sender.account_key}
    wanted = select(ProviderAccount).where(ProviderAccount.key.in_(keys))
    return {account.key: account for account in session.scalars(wanted)} if keys else {}


def _closed(session: Session, senders: Sequence[Sender], places: Sequence[int]) -> dict[str, Gate]:
    keys = [sender_gate(each.id, each.account_key) for each in senders] + [ghl_gate(each) for each in places]
    wanted = select(Gate).where(Gate.key.in_(keys), Gate.blocked_until > clock.now())
    return {gate.key: gate for gate in session.scalars(wanted)}


def _held(session: Session, places: Sequence[int]) -> dict[int, int]:
    """Counted in the index of held messages, whoever holds them; the caller keeps the locations that are asked for."""
    held = select(Message.location_id).where(HELD).limit(MOST_HELD).subquery()
    counted = session.execute(select(held.c.location_id, func.count()).group_by(held.c.location_id))
    return {row[0]: row[1] for row in counted if row[0] in places}
