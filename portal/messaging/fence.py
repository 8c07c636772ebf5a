"""The fence: one conditional UPDATE right before a provider is called. No row changed, no call.

It re-checks everything that may have changed since the message was queued. What it lets through is `sending` with its
attempt on disk before the first byte goes out, so that a crash can never turn into a second call unnoticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.models import (
    Attempt,
    InstallState,
    LedgerEntry,
    Location,
    Message,
    OptOut,
    Part,
    Sender,
    SenderState,
    Status,
    StatusChange,
)

# Providers keep an idempotency key for 24 hours; the last repetition must not come close to its end.
KEY_LIFE = timedelta(hours=23)
WHO = "portal"

_Sibling = aliased(Part)


@dataclass(frozen=True, slots=True)
class Pass:
    """What the fence let through: all that the call and the writing of its result need."""

    part_id: int
    message_id: int
    number: int
    parts: int
    attempt: int
    idempotency_key: str
    to: str
    body: str
    attachments: Sequence[str]
    segments: int
    price: int
    sender_id: int
    location_id: int
    conversation_id: int
    channel: str
    message_was: str
    message_uuid: str


@dataclass(frozen=True, slots=True)
class Approach:
    """A part that wants to go through. `repeats` allows a call whose outcome is unknown to be made again, under the
    same idempotency key."""

    part_id: int
    repeats: bool


def open_fence(session: Session, approaches: Sequence[Approach]) -> dict[int, Pass]:
    """Moves every part that may be sent now to `sending` and returns them by part id. The others stay as they are."""
    moment = clock.now()
    rows = session.execute(_wanted([each.part_id for each in approaches])).all()
    repeats = {each.part_id for each in approaches if each.repeats}
    fresh = [row.id for row in rows if row.status == Status.QUEUED]
    again = [row.id for row in rows if row.status != Status.QUEUED and row.id in repeats]
    passed = set(_move(session, fresh, moment, (Status.QUEUED,)))
    passed |= set(_move(session, again, moment, (Status.SENDING, Status.UNKNOWN), key_after=moment - KEY_LIFE))
    if not passed:
        return {}
    passes = {row.id: _pass(row) for row in rows if row.id in passed}
    _note(session, list(passes.values()), moment)
    return passes


def _wanted(part_ids: Sequence[int]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a Select of many columns
    return (
        select(
            Part.id,
            Part.status,
            Part.number,
            Part.attempt,
            Part.key_round,
            Part.body,
            Part.attachments,
            Part.segments,
            Part.price,
            Message.id.label("message_id"),
            Message.uuid.label("message_uuid"),
            Message.status.label("message_was"),
            Message.address,
            Message.location_id,
            Message.conversation_id,
            Message.sender_id,
            Sender.channel,
            select(func.count(_Sibling.id)).where(_Sibling.message_id == Message.id).scalar_subquery().label("parts"),
        )
        .join(Message, Message.id == Part.message_id)
        .join(Sender, Sender.id == Message.sender_id)
        .where(Part.id.in_(part_ids))
        # The lock order everywhere: message, then the rest.
        .order_by(Message.id)
        .with_for_update(of=Message)
    )


def _move(
    session: Session,
    part_ids: Sequence[int],
    moment: datetime,
    from_: Sequence[Status],
    key_after: datetime | None = None,
) -> Sequence[int]:
    if not part_ids:
        return []
    may_go = [
        Message.id == Part.message_id,
        Message.status.in_((Status.QUEUED, Status.SENDING, Status.UNKNOWN)),
        or_(Message.scheduled_at.is_(None), Message.scheduled_at <= moment),
        exists().where(Location.id == Message.location_id, Location.install_state == InstallState.INSTALLED),
        exists().where(
            Sender.id == Message.sender_id,
            Sender.location_id == Message.location_id,
            Sender.state == SenderState.ACTIVE,
        ),
        ~exists().where(
            OptOut.location_id == Message.location_id,
            OptOut.family == Message.family,
            OptOut.address == Message.address,
            OptOut.lifted_at.is_(None),
        ),
        or_(Message.credits == 0, exists().where(LedgerEntry.message_id == Message.id, LedgerEntry.kind == "hold")),
    ]
    if key_after is None:
        may_go.append(or_(Message.expires_at.is_(None), Message.expires_at > moment))
    conditions = [Part.id.in_(part_ids), Part.status.in_(from_), exists().where(and_(*may_go))]
    if key_after is not None:
        conditions.append(Part.key_round_at > key_after)
    moved = session.execute(
        update(Part)
        .where(*conditions)
        .values(
            status=Status.SENDING,
            attempt=Part.attempt + 1,
            sending_at=moment,
            sender_id=select(Message.sender_id).where(Message.id == Part.message_id).scalar_subquery(),
            **({"key_round_at": moment} if key_after is None else {}),
        )
        .returning(Part.id)
        .execution_options(synchronize_session=False)
    )
    return list(moved.scalars())


def _pass(row) -> Pass:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a Row of `_wanted`
    return Pass(
        part_id=row.id,
        message_id=row.message_id,
        number=row.number,
        parts=row.parts,
        attempt=row.attempt + 1,
        idempotency_key=_key(row.message_uuid, row.number, row.key_round),
        to=row.address,
        body=row.body,
        attachments=tuple(row.attachments),
        segments=row.segments,
        price=row.price,
        sender_id=row.sender_id,
        location_id=row.location_id,
        conversation_id=row.conversation_id,
        channel=row.channel,
        message_was=row.message_was,
        message_uuid=row.message_uuid,
    )


def _key(uuid: str, number: int, key_round: int) -> str:
    """`<message id>:<n>`; later parts of one message have a key of their own."""
    return f"{uuid}:{key_round}" if number == 1 else f"{uuid}.{number}:{key_round}"


def _note(session: Session, passes: Sequence[Pass], moment: datetime) -> None:
    moving = sorted({each.message_id for each in passes if each.message_was != Status.SENDING})
    connection = session.connection()
    if moving:
        session.execute(
            update(Message)
            .where(Message.id.in_(moving))
            .values(status=Status.SENDING, status_at=moment, reason="")
            .execution_options(synchronize_session=False)
        )
        connection.execute(
            insert(StatusChange),
            [
                {
                    "message_id": each.message_id,
                    "before": each.message_was,
                    "after": Status.SENDING.value,
                    "who": WHO,
                    "code": "",
                    "detail": f"attempt {each.attempt}",
                    "at": moment,
                }
                for each in passes
                if each.message_was != Status.SENDING
            ],
        )
    connection.execute(
        insert(Attempt),
        [
            {
                "part_id": each.part_id,
                "number": each.attempt,
                "sender_id": each.sender_id,
                "idempotency_key": each.idempotency_key,
                "started_at": moment,
                "outcome": "",
                "code": "",
                "detail": "",
            }
            for each in passes
        ],
    )
