"""What a sender is doing: today's messages, what waits, the last ones, and when its provider was last heard.

Each of these reads ends at a number of rows that it may look at, and says so when it did: together 5,000 at most.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal import clock
from portal.messaging import sender_settings
from portal.models import Attempt, Event, EventState, Gate, Job, Location, Message, Part, Sender, Status
from portal.queue.gates import sender_gate

# Three rows are read for a call (attempt, part, message), two for a job.
MOST_CALLS, MOST_RECENT, MOST_JOBS, FEW_CALLS = 1190, 700, 350, 20
_KEYED = text("event.sender_key <> ''")
_DELIVERED = (Status.DELIVERED, Status.READ)
_SENT = (Status.ACCEPTED, Status.SENT, *_DELIVERED)


@dataclass(frozen=True, slots=True)
class Today:
    """Messages that were handed to the provider since midnight there: `sent` counts the delivered ones too.

    `since` is set when there were more calls than are looked at: the figures are then those since that moment.
    """

    sent: int
    delivered: int
    failed: int
    day: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """The last webhook on the sender's own address, and whether it proved who sent it."""

    at: datetime
    genuine: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """`waiting` is the length of its queue, with `more` when it is longer than is counted.

    `last_in` and `last_out` are its last messages; None where none is among the last of the sub-account, which are all
    there are when `all_looked_at`.
    """

    today: Today
    waiting: int
    more: bool
    last_in: Message | None
    last_out: Message | None
    heard: Heard | None
    seen_at: datetime | None
    pace: Gate | None
    all_looked_at: bool
    most_calls: int = MOST_CALLS
    most_recent: int = MOST_RECENT


def of(session: Session, sender: Sender, location: Location) -> Figures:
    """All of one sender."""
    waiting, more = _waiting(session, sender)
    last, all_looked_at = _last(session, sender)
    said = heard(session, sender)
    moments = [sender.line_at, _answered(session, sender), said.at if said is not None and said.genuine else None]
    return Figures(
        today=today(session, sender, location),
        waiting=waiting,
        more=more,
        last_in=last.get("in"),
        last_out=last.get("out"),
        heard=said,
        seen_at=max((each for each in moments if each is not None), default=None),
        pace=sender_settings.pace_of(session, sender),
        all_looked_at=all_looked_at,
    )


def today(session: Session, sender: Sender, location: Location) -> Today:
    """What became of the messages of the calls since midnight in the location's time zone."""
    zone = _zone(location.timezone)
    there = clock.now().astimezone(zone)
    midnight = there.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    calls = (
        select(Attempt.part_id, Attempt.ended_at)
        .where(Attempt.sender_id == sender.id, Attempt.ended_at >= midnight.astimezone(UTC))
        .order_by(Attempt.ended_at.desc())
        .limit(MOST_CALLS)
        .subquery()
    )
    rows = session.execute(
        select(Message.id, Message.status, calls.c.ended_at)
        .select_from(calls)
        .join(Part, Part.id == calls.c.part_id)
        .join(Message, Message.id == Part.message_id)
    ).all()
    counted = Counter({row.id: row.status for row in rows}.values())
    since = min(row.ended_at for row in rows) if len(rows) >= MOST_CALLS else None
    return Today(
        sent=sum(counted[status] for status in _SENT),
        delivered=sum(counted[status] for status in _DELIVERED),
        failed=counted[Status.FAILED] + counted[Status.EXPIRED],
        day=str(zone),
        since=since,
    )


def heard(session: Session, sender: Sender) -> Heard | None:
    """The last request on the sender's own webhook address, also one that was refused."""
    mine = select(Event.received_at, Event.state).where(Event.sender_key == sender.key, _KEYED)
    row = session.execute(mine.order_by(Event.id.desc()).limit(1)).first()
    return Heard(row.received_at, row.state != EventState.REFUSED) if row is not None else None


def waiting_jobs(session: Session, sender: Sender) -> int:
    """How many of its messages stand in the queue, as far as it is counted."""
    return _waiting(session, sender)[0]


def _answered(session: Session, sender: Sender) -> datetime | None:
    """When its provider last answered a call that sent, among the last calls."""
    calls = select(Attempt.ended_at, Attempt.outcome).where(Attempt.sender_id == sender.id)
    last = session.execute(calls.order_by(Attempt.ended_at.desc()).limit(FEW_CALLS))
    return next((row.ended_at for row in last if row.ended_at and row.outcome in ("accepted", "refused")), None)


def _waiting(session: Session, sender: Sender) -> tuple[int, bool]:
    """The gate may be an account's, with other senders' jobs in it."""
    gate = sender_gate(sender.id, sender.account_key)
    few = select(Job.subject).where(Job.pool == "send", Job.gate == gate, Job.kind == "send")
    looked = few.limit(MOST_JOBS).subquery()
    own = func.count().filter(Part.sender_id == sender.id)
    all_, mine = session.execute(
        select(func.count(), own).select_from(looked).join(Part, Part.id == looked.c.subject)
    ).one()
    return mine, all_ >= MOST_JOBS


def _last(session: Session, sender: Sender) -> tuple[Mapping[str, Message], bool]:
    recent = (
        select(Message.id, Message.sender_id, Message.direction, Message.position)
        .where(Message.location_id == sender.location_id)
        .order_by(Message.position.desc())
        .limit(MOST_RECENT)
        .subquery()
    )
    rows = session.execute(select(recent).order_by(recent.c.position.desc(), recent.c.id.desc())).all()
    newest: dict[str, int] = {}
    for row in rows:
        if row.sender_id == sender.id:
            newest.setdefault(row.direction, row.id)
    found = session.scalars(select(Message).where(Message.id.in_(newest.values())))
    return {message.direction: message for message in found}, len(rows) < MOST_RECENT


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, KeyError):
        return ZoneInfo("UTC")
