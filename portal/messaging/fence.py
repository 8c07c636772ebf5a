"""The fence: one conditional UPDATE right before a provider is called. No row changed, no call.

It re-checks everything that may have changed since the message was queued. What it lets through is `sending` with its
attempt on disk before the first byte goes out, so that a crash can never turn into a second call unnoticed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.channels import registry
from portal.channels.capabilities import wants_files_described
from portal.channels.content import Kind
from portal.database import padded
from portal.messaging import header_files, marketing_pauses, windows
from portal.messaging.line_states import SENDING
from portal.messaging.silence import NOTHING_STOPS, NOTHING_STOPS_MARKETING
from portal.models import (
    BulkCall,
    InstallState,
    Location,
    Message,
    Part,
    Sender,
    SenderState,
    Status,
    StatusChange,
)
from portal.models.base import UtcDateTime

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
    to_kind: str
    quotes: str
    kind: str
    details: Mapping[str, Any]
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
    to_be_logged: bool
    started_at: datetime
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Cargo:
    """A part's files, or its template, which somebody has to look at before the fence lets it through.

    `header` is the address of the file above a template or buttons, where the provider has to be given a copy of it.
    `code` is what the provider said last of the part.
    """

    part_id: int
    message_id: int
    number: int
    attachments: Sequence[str]
    sender_id: int
    location_id: int
    channel: str
    kind: str
    header: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was let through, by part id, and what has to be looked at first."""

    passes: dict[int, Pass]
    cargoes: Mapping[int, Cargo]


def let_through(
    session: Session, part_ids: Sequence[int], bulk: BulkCall | None = None, looked: Collection[int] = ()
) -> Opened:
    """Moves every part that may be sent now to `sending`. The others stay as they are.

    A call whose outcome is unknown is made again, under the same idempotency key, on idempotent channels only. A part
    of a bulk call goes out with that call and its key, and in no other way. Files and templates are looked at while
    their part is still queued, or else a crash meanwhile would leave it unknown: only what was `looked` at is let
    through with them.
    """
    moment, call = clock.now(), bulk.id if bulk is not None else None
    connection = session.connection()
    found = connection.execute(_WANTED, {"ids": padded(list(part_ids))}).all()
    open_ = [row for row in found if row.status == Status.QUEUED or _may_repeat(row)]
    cargoes = {row.id: _cargo(row) for row in open_ if row.id not in looked and _to_be_looked_at(row)}
    rows = [row for row in open_ if row.id not in cargoes]
    queued = [row for row in rows if row.status == Status.QUEUED]
    fresh = [row.id for row in queued if not row.windowed]
    bounded = [row.id for row in queued if row.windowed]
    again = [row.id for row in rows if row.status != Status.QUEUED]
    passed: dict[int, Row[Any]] = {}
    if fresh:
        passed |= _by_id(connection.execute(_PASS_FRESH, {"ids": padded(fresh), "moment": moment, "call": call}))
    if bounded:
        given = {"ids": padded(bounded), "moment": moment, "call": call}
        passed |= _by_id(connection.execute(_PASS_BOUNDED, given))
    if again:
        known = {"ids": padded(again), "moment": moment, "call": call, "key_after": moment - KEY_LIFE}
        passed |= _by_id(connection.execute(_PASS_AGAIN, known))
    passes = {row.id: _pass(row, passed[row.id], bulk) for row in rows if row.id in passed}
    moving = [each for each in passes.values() if each.message_was != Status.SENDING]
    if moving:
        ids = sorted({each.message_id for each in moving})
        connection.execute(_MOVE_MESSAGES, {"ids": padded(ids), "moment": moment})
        connection.execute(_NOTE_MOVES, [_change(each, moment) for each in moving])
    return Opened(passes, cargoes)


def open_fence(session: Session, part_ids: Sequence[int], bulk: BulkCall | None = None) -> dict[int, Pass]:
    """The same for parts without files: what was let through, by part id."""
    return let_through(session, part_ids, bulk).passes


def _may_repeat(row: Row[Any]) -> bool:
    return row.status in _IN_DOUBT and registry.get(row.channel).idempotent


def _to_be_looked_at(row: Row[Any]) -> bool:
    if row.kind == Kind.TEMPLATE or _header(row):
        return True
    return bool(row.attachments and wants_files_described(registry.get(row.channel)))


def _header(row: Row[Any]) -> str:
    headed = row.kind in header_files.KINDS
    return header_files.to_copy(row.channel, row.kind, row.details, row.code) if headed else ""


def _cargo(row: Row[Any]) -> Cargo:
    there = row.id, row.message_id, row.number, tuple(row.attachments), row.sender_id, row.location_id
    return Cargo(*there, row.channel, row.kind, header=_header(row), code=row.code)


def _by_id(rows: Iterable[Row[Any]]) -> dict[int, Row[Any]]:
    return {row.id: row for row in rows}


def _change(passed: Pass, moment: datetime) -> dict[str, object]:
    return {
        "message_id": passed.message_id,
        "before": passed.message_was,
        "after": Status.SENDING.value,
        "who": WHO,
        "code": "",
        "detail": f"attempt {passed.attempt}",
        "at": moment,
    }


_IN_DOUBT = (Status.SENDING, Status.UNKNOWN)

# Statements are built once: building them anew for each commit costs more than carrying them out.
_WANTED = (
    select(
        Part.id,
        Part.status,
        Part.number,
        Part.kind,
        Part.details,
        Part.body,
        Part.attachments,
        Part.segments,
        Part.price,
        Part.lost,
        Part.code,
        Message.id.label("message_id"),
        Message.uuid.label("message_uuid"),
        Message.status.label("message_was"),
        Message.address,
        Message.address_kind,
        Message.about_external_id,
        Message.location_id,
        Message.conversation_id,
        Message.sender_id,
        Message.echo_state,
        Sender.channel,
        Sender.windowed,
        select(func.count(_Sibling.id)).where(_Sibling.message_id == Message.id).scalar_subquery().label("parts"),
    )
    .join(Message, Message.id == Part.message_id)
    .join(Sender, Sender.id == Message.sender_id)
    .where(Part.id.in_(bindparam("ids", expanding=True)))
    # The lock order everywhere: message, then the rest.
    .order_by(Message.id)
    .with_for_update(of=Message)
)

_moment = bindparam("moment", type_=UtcDateTime())
_MAY_GO = (
    Part.id.in_(bindparam("ids", expanding=True)),
    Part.bulk_call_id.is_not_distinct_from(bindparam("call", type_=BigInteger())),
    Message.id == Part.message_id,
    Message.status.in_((Status.QUEUED, Status.SENDING, Status.UNKNOWN)),
    Message.funded,
    or_(Message.scheduled_at.is_(None), Message.scheduled_at <= _moment),
    Location.id == Message.location_id,
    Location.install_state == InstallState.INSTALLED,
    Sender.id == Message.sender_id,
    Sender.location_id == Message.location_id,
    Sender.state == SenderState.ACTIVE,
    *NOTHING_STOPS,
    Sender.line_state.in_(SENDING),
)
_CALL = {"status": Status.SENDING, "attempt": Part.attempt + 1, "sending_at": _moment, "sender_id": Message.sender_id}
_parts = Part.__table__
_PASS_FRESH = (
    update(_parts)  # type: ignore[arg-type]
    .where(*_MAY_GO, Part.status == Status.QUEUED, or_(Message.expires_at.is_(None), Message.expires_at > _moment))
    .values(**_CALL, key_round_at=_moment, in_doubt=False)
    .returning(Part.id, Part.attempt, Part.key_round)
)
# A statement of its own: whoever has no window to look at, and no marketing to stop, does not pay for it.
_PASS_BOUNDED = _PASS_FRESH.where(windows.may_go(_moment), NOTHING_STOPS_MARKETING, marketing_pauses.may_go(_moment))
_PASS_AGAIN = (
    update(_parts)  # type: ignore[arg-type]
    .where(*_MAY_GO, Part.status.in_(_IN_DOUBT), Part.key_round_at > bindparam("key_after", type_=UtcDateTime()))
    .values(**_CALL, in_doubt=True)
    .returning(Part.id, Part.attempt, Part.key_round)
)
_MOVE_MESSAGES = (
    update(Message.__table__)  # type: ignore[arg-type]
    .where(Message.id.in_(bindparam("ids", expanding=True)))
    .values(status=Status.SENDING, status_at=_moment, reason="")
)
_NOTE_MOVES = insert(StatusChange.__table__)  # type: ignore[arg-type]


def _pass(row: Any, now: Any, bulk: BulkCall | None) -> Pass:
    """`row` was read before its lock was had; what calls change is taken from `now`, the row as it was written."""
    return Pass(
        part_id=row.id,
        message_id=row.message_id,
        number=row.number,
        parts=row.parts,
        attempt=now.attempt,
        idempotency_key=f"{bulk.key}:{bulk.round}" if bulk else key_of(row.message_uuid, row.number, now.key_round),
        to=row.address,
        to_kind=row.address_kind,
        # What is answered stands above the first part alone.
        quotes=(row.about_external_id or "") if row.number == 1 else "",
        kind=row.kind,
        details=row.details,
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
        to_be_logged=bool(row.echo_state),
        started_at=clock.now(),
        lost=row.lost,
    )


def key_of(uuid: str, number: int, key_round: int) -> str:
    """`<message id>:<n>`; later parts of one message have a key of their own."""
    return f"{uuid}:{key_round}" if number == 1 else f"{uuid}.{number}:{key_round}"
