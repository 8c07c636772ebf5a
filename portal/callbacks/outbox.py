"""What happened, written down for those who want to be told, in the transaction in which it happens.

Whoever moves a message says so here. Right before the commit one statement asks whether anybody listens; only where
somebody does, deliveries and their jobs are written. The order of a message's deliveries is that of its moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Integer, bindparam, insert, null, or_, select, union_all
from sqlalchemy.orm import Session

from portal import clock
from portal.database import before_end, padded
from portal.models import Delivery, DeliveryState, Direction, Location, Message, Status, Subscription
from portal.models.base import new_uuid
from portal.queue.jobs import HOOK, enqueue, job

KIND = "call_back"
RECEIVED, ADDED, LIFTED, PING = "message.received", "opt_out.added", "opt_out.lifted", "ping"
# `queued` and `sending` are ours alone: nothing has happened to the message yet.
STATUSES = tuple(each.value for each in Status if each not in (Status.QUEUED, Status.SENDING, Status.RECEIVED))
# Of alerts only their own recipients hear (`portal.alarms`).
ALERT_BEGAN, ALERT_OVER = "alert.began", "alert.over"
EVENTS = (RECEIVED, *(f"message.{status}" for status in STATUSES), ADDED, LIFTED)
_FACTS = "callback_facts"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. Of a message: its id and the status it came to; else `data` says it all."""

    type: str
    location_id: int
    at: datetime
    message_id: int | None = None
    status: str = ""
    code: str = ""
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What one subscription is told of one thing; `about` is the message's uuid, "" for anything else."""

    subscription_id: int
    type: str
    location_id: int | None
    location: str
    about: str
    data: Mapping[str, Any]
    at: datetime
    test: bool = False


def note(session: Session, *facts: Fact) -> None:
    """Remembers what this transaction does to something that others may want to know of."""
    known: list[Fact] = session.info.setdefault(_FACTS, [])
    if not known and facts:
        before_end(session, _write)
    known.extend(facts)


def moved(
    session: Session, message_id: int, location_id: int, after: str, code: str, detail: str, at: datetime
) -> None:
    """The same for a message that has come to a status."""
    if after in STATUSES:
        note(session, Fact(f"message.{after}", location_id, at, message_id, after, code, detail))


def write(session: Session, told: Sequence[Told], *, as_they_happen: bool = False) -> list[int]:
    """Writes deliveries with their jobs; returns their ids. `as_they_happen`: not before each one's own time."""
    if not told:
        return []
    moment = clock.now()
    rows = [_row(each, max(each.at, moment) if as_they_happen else moment, moment) for each in told]
    new = insert(Delivery).returning(Delivery.id, sort_by_parameter_order=True)
    ids = list(session.scalars(new, rows))
    enqueue(session, [_job(id_, row) for id_, row in zip(ids, rows, strict=True)])
    return ids


def _row(told: Told, next_at: datetime, moment: datetime) -> dict[str, Any]:
    uuid = new_uuid()
    return {
        "uuid": uuid,
        "subscription_id": told.subscription_id,
        "location_id": told.location_id,
        "type": told.type,
        "about": told.about,
        "body": body(uuid, told),
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "round": 0,
        "next_at": next_at,
        "note": "",
        "created_at": moment,
    }


def delivery_job(row: Delivery) -> dict[str, Any]:
    """The job that makes a delivery."""
    said = {"subscription_id": row.subscription_id, "about": row.about, "next_at": row.next_at}
    return _job(row.id, said)


def _job(delivery_id: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of one message goes in its order; subscriptions share nothing."""
    subscription = row["subscription_id"]
    lane = f"hook:{subscription}:{row['about'] or delivery_id}"
    return job(HOOK, KIND, delivery_id, lane, gate=f"hook:{subscription}", run_at=row["next_at"])


def body(uuid: str, told: Told) -> str:
    """What is posted, as JSON."""
    said = {"id": uuid, "type": told.type, "at": told.at, "location": told.location, "test": told.test}
    return msgspec.json.encode(said | {"data": dict(told.data)}).decode()


def _write(session: Session) -> None:
    facts: list[Fact] = session.info.pop(_FACTS, [])
    listening = _listening(session, facts)
    if not listening:
        return
    places = dict(
        session.execute(
            select(Location.id, Location.ghl_id).where(Location.id.in_({fact.location_id for fact in facts}))
        ).all()
    )
    named = {fact.message_id for fact in facts if fact.message_id is not None}
    messages = {row.id: row for row in session.execute(_MESSAGES, {"ids": padded(sorted(named))})} if named else {}
    told = []
    for fact in facts:
        row = messages.get(fact.message_id) if fact.message_id is not None else None
        data = {**_of_message(row), **_status(fact)} if row is not None else dict(fact.data)
        about, place = (row.uuid if row is not None else ""), places.get(fact.location_id, "")
        for subscription_id in _wanting(listening, fact):
            told.append(Told(subscription_id, fact.type, fact.location_id, place, about, data, fact.at))
    write(session, told)


def _wanting(listening: Sequence[Any], fact: Fact) -> list[int]:
    """Who wants to know of it, each once."""
    found: dict[int, None] = {}
    for row in listening:
        if row.message_id is not None:
            wants = row.message_id == fact.message_id and fact.type != RECEIVED
        else:
            wants = row.place == fact.location_id and (not row.events or fact.type in row.events)
        if wants:
            found[row.id] = None
    return list(found)


def _listening(session: Session, facts: Sequence[Fact]) -> Sequence[Any]:
    """Subscriptions of the locations, one row for each of these, and those that messages name."""
    messages = sorted({fact.message_id for fact in facts if fact.message_id is not None}) or [0]
    places = sorted({fact.location_id for fact in facts})
    return session.connection().execute(_LISTENING, {"places": padded(places), "messages": padded(messages)}).all()


_standing = Subscription.removed_at.is_(None), Subscription.paused_at.is_(None), Subscription.test.is_(False)
_LISTENING = union_all(
    select(
        Subscription.id,
        Subscription.events,
        Location.id.label("place"),
        null().cast(Integer).label("message_id"),
    )
    .join(
        Location,
        or_(
            Subscription.location_id == Location.id,
            Subscription.location_id.is_(None) & (Subscription.agency_id == Location.agency_id),
        ),
    )
    # A location that has moved is not told to the agency that it has left.
    .where(
        *_standing,
        Location.id.in_(bindparam("places", expanding=True)),
        or_(Subscription.agency_id.is_(None), Subscription.agency_id == Location.agency_id),
    ),
    select(
        Subscription.id,
        Subscription.events,
        null().cast(Integer).label("place"),
        Message.id.label("message_id"),
    )
    .join(Message, Message.callback_id == Subscription.id)
    .where(*_standing, Message.id.in_(bindparam("messages", expanding=True))),
)
_MESSAGES = select(
    Message.id,
    Message.uuid,
    Message.conversation_id,
    Message.direction,
    Message.kind,
    Message.body,
    Message.attachments,
    Message.details,
    Message.address,
    Message.address_kind,
    Message.sender_id,
    Message.bulk,
    Message.ghl_message_id,
    Message.author_name,
).where(Message.id.in_(bindparam("ids", expanding=True)))


def _of_message(row: Any) -> dict[str, Any]:
    said = {
        "id": row.uuid,
        "direction": row.direction,
        "kind": row.kind,
        "conversation": row.conversation_id,
        "address": row.address,
        "address_kind": row.address_kind,
        "sender": row.sender_id,
        "bulk": row.bulk or None,
        "ghl_message_id": row.ghl_message_id,
    }
    if row.direction == Direction.IN:
        said |= {"text": row.body, "media": row.attachments, "details": row.details, "author": row.author_name or None}
    return said


def _status(fact: Fact) -> dict[str, Any]:
    status = fact.status or Status.RECEIVED.value
    return {"status": status, "status_at": fact.at, "code": fact.code, "reason": fact.detail}


def listening_to_tests(session: Session, location: Location, callback_id: int | None) -> list[tuple[int, list[str]]]:
    """Who is told of the messages of test keys in a location, each with the events that are wanted."""
    standing = Subscription.removed_at.is_(None), Subscription.paused_at.is_(None), Subscription.test
    whole = Subscription.location_id.is_(None) & (Subscription.agency_id == location.agency_id)
    theirs = or_(Subscription.location_id == location.id, whole, Subscription.id == callback_id)
    found = session.execute(select(Subscription.id, Subscription.events).where(*standing, theirs)).all()
    return [(row.id, row.events) for row in found]
