"""What test keys send: judged like any message, never sent, with statuses that follow from the number and the clock.

What happens is read off the recipient's last four digits, as at the simulator:

====  ============================================================================================
0001  accepted, sent after 1 s, failed after 2 s (`undelivered`)
0002  refused at once (`refused`)
0003  the provider asks to wait: accepted after 2 s, sent after 3 s, delivered after 4 s
0004  the outcome is unknown, for good
0005  refused at once: the recipient has opted out (`opted_out`)
0006  held: there are not enough credits
0007  delivered after 2 s, read after 3 s
0008  accepted, sent after 1 s, and no receipt ever
else  accepted, sent after 1 s, delivered after 2 s
====  ============================================================================================

There is no job and no row that a sender could take: such a message cannot go out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal import clock
from portal.callbacks import outbox
from portal.callbacks.outbox import Told
from portal.credits.refusals import NO_CREDITS
from portal.errors import InvalidInput
from portal.messaging import segments
from portal.messaging.composing import Prepared
from portal.messaging.optouts import CODE as OPTED_OUT
from portal.messaging.statuses import SENTENCES
from portal.messaging.storable import storable, storable_details
from portal.models import Delivery, DeliveryState, Location, Status, TestMessage
from portal.queue.jobs import drop

KEPT = timedelta(days=30)
S = Status
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One status of a rehearsal, `after` seconds from its beginning."""

    after: int
    status: Status
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One status that a test message has come to, and when."""

    at: datetime
    status: Status
    code: str
    reason: str


_USUAL = (Step(0, S.ACCEPTED), Step(1, S.SENT), Step(2, S.DELIVERED))
SCRIPTS: Mapping[str, Sequence[Step]] = MappingProxyType(
    {
        "0001": (*_USUAL[:2], Step(2, S.FAILED, "undelivered", "Test: it could not be delivered.")),
        "0002": (Step(0, S.FAILED, "refused", "Test: the provider refused it."),),
        "0003": (Step(2, S.ACCEPTED), Step(3, S.SENT), Step(4, S.DELIVERED)),
        "0004": (Step(0, S.UNKNOWN, "", "Test: the provider does not tell what became of it."),),
        "0005": (Step(0, S.FAILED, OPTED_OUT, "Test: the recipient has opted out."),),
        "0006": (Step(0, S.HELD, "", NO_CREDITS),),
        "0007": (*_USUAL, Step(3, S.READ)),
        "0008": _USUAL[:2],
    }
)


def moves(row: TestMessage, moment: datetime | None = None) -> list[Move]:
    """What has become of a test message by a moment (by default now), the oldest first."""
    until = moment or clock.now()
    found = [Move(row.created_at, S.QUEUED, "", SENTENCES[S.QUEUED])]
    for step in SCRIPTS.get(row.address[-4:], _USUAL):
        at = row.begins_at + timedelta(seconds=step.after)
        if at <= until and (row.cancelled_at is None or at < row.cancelled_at):
            found.append(Move(at, step.status, step.code, step.reason or SENTENCES[step.status]))
    if row.cancelled_at is not None:
        found.append(Move(row.cancelled_at, S.CANCELLED, "cancelled", SENTENCES[S.CANCELLED]))
    return found


def keep(session: Session, location: Location, key_id: int, prepared: Prepared) -> list[TestMessage]:
    """Writes down what a test key's draft would have sent, with all that its listeners will be told of it."""
    draft, moment = prepared.draft, clock.now()
    begins = max(draft.scheduled_at or moment, moment)
    rows = [
        TestMessage(
            uuid=each.message,
            key_id=key_id,
            location_id=location.id,
            bulk=prepared.bulk,
            kind=draft.content.kind.value if draft.content else "text",
            body=storable(draft.text),
            attachments=[storable(each) for each in draft.attachments],
            details=storable_details(draft.content.details) if draft.content else {},
            sender_id=draft.sender_id,
            address=each.number or each.to,
            segments=max(segments.count(draft.text), 1),
            begins_at=begins,
            scheduled_at=draft.scheduled_at,
            expires_at=begins + timedelta(seconds=draft.ttl_seconds or location.ttl_seconds),
            created_at=moment,
        )
        for each in prepared.taken
        if each.message
    ]
    session.add_all(rows)
    session.flush()
    for row in rows:
        _tell(session, location, row, draft.callback_id)
    return rows


def cancel(session: Session, row: TestMessage) -> None:
    """Takes a test message back, with what would have been told of it. `row` is locked.

    Raises `InvalidInput` when it is too late.
    """
    status = moves(row)[-1].status
    if status not in (S.QUEUED, S.HELD):
        raise InvalidInput(f"It is too late to cancel this message. {SENTENCES[status]}")
    row.cancelled_at = clock.now()
    later = Delivery.about == row.uuid, Delivery.state == DeliveryState.WAITING, Delivery.next_at > row.cancelled_at
    waiting = session.execute(select(Delivery.id, Delivery.subscription_id).where(*later)).all()
    drop(session, outbox.KIND, [each.id for each in waiting])
    session.execute(delete(Delivery).where(Delivery.id.in_([each.id for each in waiting])))
    place, move = session.get_one(Location, row.location_id), moves(row)[-1]
    data, type_ = _data(row, move), f"message.{move.status}"
    told = [
        Told(each, type_, place.id, place.ghl_id, row.uuid, data, move.at, True)
        for each in sorted({each.subscription_id for each in waiting})
    ]
    outbox.write(session, told)


def forget(session: Session) -> int:
    """Deletes test messages a month after they were made; how many."""
    old = select(TestMessage.id).where(TestMessage.created_at < clock.now() - KEPT).limit(_AT_ONCE)
    gone = session.execute(delete(TestMessage).where(TestMessage.id.in_(old.with_for_update(skip_locked=True))))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _tell(session: Session, location: Location, row: TestMessage, callback_id: int | None) -> None:
    """Deliveries with the time at which each status is reached."""
    ends = row.begins_at + timedelta(days=1)
    steps = [move for move in moves(row, ends) if move.status.value in outbox.STATUSES]
    listening = outbox.listening_to_tests(session, location, callback_id)
    told = [
        Told(each, f"message.{move.status}", location.id, location.ghl_id, row.uuid, _data(row, move), move.at, True)
        for move in steps
        for each, events in listening
        if not events or f"message.{move.status}" in events
    ]
    outbox.write(session, told, as_they_happen=True)


def _data(row: TestMessage, move: Move) -> dict[str, object]:
    return {
        "id": row.uuid,
        "direction": "out",
        "kind": row.kind,
        "conversation": None,
        "address": row.address,
        "address_kind": "phone",
        "sender": row.sender_id,
        "bulk": row.bulk or None,
        "ghl_message_id": None,
        "status": move.status.value,
        "status_at": move.at,
        "code": move.code,
        "reason": move.reason,
    }
