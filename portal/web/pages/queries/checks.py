"""Reading what a settings check rests on: the permission, the last delivery, what came back of each sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts import notices
from portal.installations import standing
from portal.installations.standing import Standing
from portal.models import (
    Agency,
    Alert,
    Direction,
    Event,
    Grant,
    GrantKind,
    Job,
    Location,
    Message,
    ReceiptRow,
    Sender,
)
from portal.queue.gates import sender_gate
from portal.web.pages.queries import senders
from portal.web.pages.queries.scope import Scope

# So many of the newest messages are looked through for the last delivery, and for what came in over each sender.
LOOKED_AT = 500
MOST_SENDERS = 20
LATE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The last message that HighLevel handed over. `event` is None once it is purged."""

    message: Message
    event: Event | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back of a sender: the last inbound message, the last receipt, and what is open about its webhook."""

    line: senders.Line
    inbound_at: datetime | None
    receipt_at: datetime | None
    job: Job | None
    alerts: Sequence[Alert]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known without asking anybody. `late` is since when due work waits that nobody has tried."""

    location: Location
    grant: Grant | None
    standing: Standing
    delivery: Delivery | None
    unauthentic: Alert | None
    late: datetime | None
    senders: Sequence[Heard]
    more_senders: bool


def of(session: Session, scope: Scope, location: Location) -> Facts:
    """All of one location."""
    grant = _grant(session, GrantKind.LOCATION, location.ghl_id)
    agency = session.get(Agency, location.agency_id) if location.agency_id is not None else None
    company = _grant(session, GrantKind.COMPANY, agency.company_id) if agency is not None else None
    lines = _lines(session, scope, location.id)
    return Facts(
        location=location,
        grant=grant,
        standing=standing.of_location(location, grant, company),
        delivery=_delivery(session, location.id),
        unauthentic=_open(session, notices.UNAUTHENTIC, "ghl"),
        late=_late(session),
        senders=_heard(session, location.id, lines[:MOST_SENDERS]),
        more_senders=len(lines) > MOST_SENDERS,
    )


def _grant(session: Session, kind: GrantKind, ghl_id: str) -> Grant | None:
    return session.scalar(select(Grant).where(Grant.kind == kind, Grant.ghl_id == ghl_id))


def _open(session: Session, kind: str, subject: str) -> Alert | None:
    same = Alert.kind == kind, Alert.subject == subject, Alert.closed_at.is_(None)
    return session.scalar(select(Alert).where(*same))


def _delivery(session: Session, location_id: int) -> Delivery | None:
    newest = (
        select(Message.id, Message.ghl_message_id, Message.direction)
        .where(Message.location_id == location_id)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    # What was written here has an id in HighLevel too, but no delivery: it has an author.
    found = select(Message).join(newest, newest.c.id == Message.id)
    handed = Message.direction == Direction.OUT, Message.ghl_message_id.is_not(None), Message.author == ""
    ours = Message.from_us.is_(False), Message.event_id.is_not(None)
    message = session.scalar(found.where(*handed, *ours).order_by(Message.position.desc()).limit(1))
    return Delivery(message, session.get(Event, message.event_id)) if message is not None else None


def _late(session: Session) -> datetime | None:
    due = Job.run_at <= clock.now(), Job.attempts == 0
    oldest = session.scalar(select(func.min(Job.run_at)).where(*due))
    return oldest if oldest is not None and (clock.now() - oldest).total_seconds() > LATE_SECONDS else None


def _lines(session: Session, scope: Scope, location_id: int) -> list[senders.Line]:
    own = select(Sender.id).where(Sender.location_id == location_id).order_by(Sender.position, Sender.id)
    found = (senders.one(session, scope, sender_id) for sender_id in session.scalars(own.limit(MOST_SENDERS * 5)).all())
    return [line for line in found if line is not None][: MOST_SENDERS + 1]


def _heard(session: Session, location_id: int, lines: Sequence[senders.Line]) -> list[Heard]:
    inbound = _inbound(session, location_id)
    found = []
    for line in lines:
        own = line.sender.id
        receipt = select(ReceiptRow.received_at).where(ReceiptRow.sender_id == own).order_by(ReceiptRow.id.desc())
        job = select(Job).where(Job.kind == "sync_webhook", Job.subject == own).order_by(Job.id).limit(1)
        about = Alert.kind.in_((notices.WEBHOOK_LEFT, notices.WEBHOOK_DRIFT)), Alert.subject == sender_gate(own)
        alerts = session.scalars(select(Alert).where(*about, Alert.closed_at.is_(None)).order_by(Alert.id)).all()
        receipt_at = session.scalar(receipt.limit(1))
        found.append(Heard(line, inbound.get(own), receipt_at, session.scalar(job), alerts))
    return found


def _inbound(session: Session, location_id: int) -> Mapping[int, datetime]:
    """By sender, when something came in last, as far as that is among the newest messages."""
    newest = (
        select(Message.sender_id, Message.created_at, Message.direction)
        .where(Message.location_id == location_id)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    wanted = select(newest.c.sender_id, func.max(newest.c.created_at)).where(newest.c.direction == Direction.IN)
    return {row[0]: row[1] for row in session.execute(wanted.group_by(newest.c.sender_id)) if row[0] is not None}
