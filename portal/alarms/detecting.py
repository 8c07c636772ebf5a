"""Incidents that no single event tells of: messages that wait too long, that fail too often, senders that hear nothing.

Looked for by the clock in figures that are kept anyway; each is one alert for as long as it lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import DEAF, FAILURES, QUEUE_AGE, close_alert, raise_alert
from portal.messaging import line_states
from portal.models import (
    Alert,
    Attempt,
    Event,
    Location,
    MessageHour,
    PlaceStanding,
    ReceiptRow,
    Sender,
    SenderState,
    Status,
)
from portal.queue.gates import sender_gate

LATE = timedelta(minutes=10)
# Of at least so many messages of this hour and the last, that many percent failed; it is over below half of it.
FEWEST, SHARE = 20, 30
# A provider that tells of receipts tells within half an hour that a phone has got one of at least three messages.
SILENT = timedelta(minutes=30)
LOOKED_BACK = timedelta(hours=2)
CALLS = 3


@dataclass(frozen=True, slots=True)
class Found:
    """An incident as it stands: what it is about, in words, and where."""

    subject: str
    text: str
    location_id: int


def look(session: Session) -> int:
    """Opens and closes the alerts of all three kinds; how many did."""
    moment = clock.now()
    found = {QUEUE_AGE: _late(session, moment), DEAF: _deaf(session, moment)}
    found[FAILURES] = _failing(session, moment)
    return sum(_follow(session, kind, standing) for kind, standing in found.items())


def _follow(session: Session, kind: str, standing: Sequence[Found]) -> int:
    """Raises what is new or says something new, closes what is over."""
    open_ = select(Alert.subject, Alert.text).where(Alert.kind == kind, Alert.closed_at.is_(None))
    known = dict(session.execute(open_).all())
    news = [each for each in standing if known.get(each.subject) != each.text]
    for each in sorted(news, key=lambda one: one.subject):
        raise_alert(session, kind, each.subject, each.text, each.location_id)
    over = known.keys() - {each.subject for each in standing}
    for subject in sorted(over):
        close_alert(session, kind, subject)
    return len(news) + len(over)


def _late(session: Session, moment: datetime) -> list[Found]:
    wanted = select(PlaceStanding.oldest_at, Location.id, Location.ghl_id, Location.name)
    rows = session.execute(wanted.join(Location).where(PlaceStanding.oldest_at < moment - LATE))
    return [
        Found(f"queue:{row.ghl_id}", f"{_name(row)}: messages wait since {row.oldest_at:%H:%M} UTC.", row.id)
        for row in rows
    ]


def _failing(session: Session, moment: datetime) -> list[Found]:
    since = int(moment.timestamp()) // 3600 - 1
    written, failed = func.sum(MessageHour.written), func.sum(MessageHour.failed)
    columns: tuple[Any, ...] = (Location.id, Location.ghl_id, Location.name)
    wanted = select(*columns, written.label("written"), failed.label("failed"))
    rows = session.execute(
        wanted.join(MessageHour, MessageHour.location_id == Location.id)
        .where(MessageHour.hour >= since)
        .group_by(Location.id, Location.ghl_id, Location.name)
        .having(failed > 0)
    ).all()
    standing = set(session.scalars(select(Alert.subject).where(Alert.kind == FAILURES, Alert.closed_at.is_(None))))
    found = []
    for row in rows:
        subject = f"failures:{row.ghl_id}"
        share = SHARE / 2 if subject in standing else SHARE
        if row.written >= FEWEST and row.failed * 100 >= share * row.written:
            text = f"{_name(row)}: of its messages of the last hour or two, {SHARE} % or more failed or expired."
            found.append(Found(subject, text, row.id))
    return found


def _deaf(session: Session, moment: datetime) -> list[Found]:
    """Senders whose provider takes messages and has told of receipts before, and says nothing any more."""
    taken = (Attempt.sender_id == Sender.id, Attempt.outcome == Status.ACCEPTED)
    window = Attempt.ended_at.between(moment - LOOKED_BACK, moment - SILENT)
    call = select(Attempt.ended_at).where(*taken, window).order_by(Attempt.ended_at.desc()).limit(1)
    receipt = select(ReceiptRow.received_at).where(ReceiptRow.sender_id == Sender.id)
    event = select(Event.received_at).where(Event.sender_key == Sender.key, Event.sender_key != "")
    columns = (
        call.correlate(Sender).scalar_subquery().label("call"),
        receipt.order_by(ReceiptRow.id.desc()).limit(1).correlate(Sender).scalar_subquery().label("receipt"),
        event.order_by(Event.id.desc()).limit(1).correlate(Sender).scalar_subquery().label("event"),
    )
    able = Sender.state == SenderState.ACTIVE, Sender.acceptance_counts.is_(False)
    rows = session.execute(
        select(Sender.id, Sender.name, Sender.location_id, Sender.line_state, *columns).where(*able)
    ).all()
    found = []
    for row in rows:
        if row.call is None or row.receipt is None or row.line_state not in line_states.SENDING:
            continue
        heard = max(filter(None, (row.receipt, row.event)))
        if heard < row.call and _calls_since(session, row.id, heard, moment) >= CALLS:
            text = (
                f"{row.name}: its provider takes messages, and nothing was heard from it since "
                f"{heard:%Y-%m-%d %H:%M} UTC. Most often its webhook points elsewhere, or was switched off."
            )
            found.append(Found(f"{sender_gate(row.id)}:deaf", text, row.location_id))
    return found


def _calls_since(session: Session, sender_id: int, heard: datetime, moment: datetime) -> int:
    taken = Attempt.sender_id == sender_id, Attempt.outcome == Status.ACCEPTED
    since = max(heard, moment - LOOKED_BACK)
    some = select(Attempt.id).where(*taken, Attempt.ended_at.between(since, moment - SILENT)).limit(CALLS)
    return len(session.scalars(some).all())


def _name(row: Any) -> str:
    return str(row.name or row.ghl_id)
