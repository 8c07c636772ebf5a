"""The path that nearly every receipt takes: one that carries a message of one part forward, many in few statements.

What such a receipt changes is known beforehand: its part was accepted and paid for, and nothing waits for it but
HighLevel. Whatever is not exactly so is left to `portal.messaging.receipts`, which looks at everything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, String, bindparam, cast, exists, insert, literal, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from portal import clock
from portal.callbacks import outbox
from portal.channels.base import Outcome, Receipt
from portal.database import insert as insert_or_not
from portal.database import padded
from portal.messaging.outbound import TO_BE_LOGGED, status_job
from portal.messaging.receipts import our_key
from portal.messaging.statuses import may_move
from portal.messaging.storable import storable, storable_details
from portal.models import Direction, EntryKind, LedgerEntry, Message, Part, ReceiptRow, Status, StatusChange
from portal.models.base import UtcDateTime
from portal.queue.jobs import enqueue

_FORWARD = (Outcome.SENT, Outcome.DELIVERED, Outcome.READ)
_ENDS = (Outcome.DELIVERED, Outcome.READ)


@dataclass(frozen=True, slots=True)
class Word:
    """A receipt on the way to its part. `who` brought it, as the history names it."""

    sender_id: int
    receipt: Receipt
    who: str
    event_id: int | None = None

    @property
    def key(self) -> tuple[int, str]:
        """What names the part."""
        return self.sender_id, self.receipt.external_id


@dataclass(slots=True)
class _Moves:
    """Rows to be written. `ended` are parts on which no more word is asked for."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    told: list[outbox.Fact] = field(default_factory=list)


def carry_forward(session: Session, words: Sequence[Word]) -> list[str]:
    """Applies those receipts that are as expected; the UUID of each one's message, "" for the others."""
    moment = clock.now()
    session.flush()  # what was changed in this transaction is to be seen
    often = Counter(word.key for word in words)  # several words on one part: one after the other, in their order
    plain = {word.key: word for word in words if often[word.key] == 1 and _is_plain(word)}
    found = _find(session, plain)
    fitting = {key: row for key, row in found.items() if may_move(row.status, plain[key].receipt.outcome.value)}
    new = _keep(session, plain, fitting, moment)
    moves = _Moves()
    for key in sorted(new):
        _add(moves, plain[key], fitting[key], moment)
        _forget(session, fitting[key])
    _write(session, moves)
    return [fitting[word.key].uuid if word.key in new and plain.get(word.key) is word else "" for word in words]


def _forget(session: Session, row: Row[Any]) -> None:
    """Whoever has the rows in hand in this session reads them anew."""
    for key in (identity_key(Part, row.id), identity_key(Message, row.message_id)):
        if (known := session.identity_map.get(key)) is not None:
            session.expire(known)


def _is_plain(word: Word) -> bool:
    external_id = word.receipt.external_id
    return word.receipt.outcome in _FORWARD and bool(external_id) and external_id == storable(external_id, 200)


def _find(session: Session, words: Mapping[tuple[int, str], Word]) -> dict[tuple[int, str], Row[Any]]:
    """The parts, their messages locked, that are all there is of their message, out and paid for."""
    if not words:
        return {}
    connection = session.connection()
    named = {
        "senders": padded(sorted({sender for sender, _ in words})),
        "ids": padded(sorted({external_id for _, external_id in words})),
    }
    locked = {row.id: row for row in connection.execute(_LOCK, named)}
    if not locked:
        return {}
    rows = connection.execute(_PARTS, {"messages": padded(sorted(locked))}).all()
    of_several = [row.message_id for row in rows if row.number > 1]
    return {
        (row.sender_id, row.external_id): row
        for row in rows
        if (row.sender_id, row.external_id) in words and row.message_id not in of_several and _is_settled(row)
    }


def _is_settled(row: Row[Any]) -> bool:
    out = row.direction == Direction.OUT and row.status == row.message_status
    paid = not row.funded or not row.price or row.paid
    return bool(out and paid and row.status in (Status.ACCEPTED, Status.SENT) and row.echo_state != TO_BE_LOGGED)


_MINE = Part.sender_id.in_(bindparam("senders", expanding=True)), Part.external_id.in_(bindparam("ids", expanding=True))
_LOCK = (
    select(Message.id).where(Message.id.in_(select(Part.message_id).where(*_MINE))).order_by(Message.id)
).with_for_update()
_KEY = literal(f"{EntryKind.SETTLE}:") + cast(Part.message_id, String) + literal(":") + cast(Part.number, String)
# Read when the locks are held: what they say cannot change any more.
_PARTS = (
    select(
        Part.id,
        Part.message_id,
        Part.number,
        Part.sender_id,
        Part.external_id,
        Part.status,
        Part.code,
        Part.price,
        Part.billing,
        Message.uuid,
        Message.status.label("message_status"),
        Message.direction,
        Message.funded,
        Message.echo_state,
        Message.ghl_message_id,
        Message.location_id,
        exists().where(LedgerEntry.key == _KEY).label("paid"),
    )
    .join(Message, Message.id == Part.message_id)
    .where(Part.message_id.in_(bindparam("messages", expanding=True)))
)


def _keep(
    session: Session,
    words: Mapping[tuple[int, str], Word],
    rows: Mapping[tuple[int, str], Row[Any]],
    moment: datetime,
) -> set[tuple[int, str]]:
    """Keeps the receipts with their parts; those that nobody has heard before."""
    if not rows:
        return set()
    values = [_receipt_row(words[key], row, moment) for key, row in rows.items()]
    statement = insert_or_not(session, ReceiptRow).on_conflict_do_nothing()
    kept = session.connection().execute(statement.returning(ReceiptRow.sender_id, ReceiptRow.external_id), values)
    return {(row.sender_id, row.external_id) for row in kept}


def _receipt_row(word: Word, row: Row[Any], moment: datetime) -> dict[str, Any]:
    receipt = word.receipt
    return {
        "sender_id": word.sender_id,
        "external_id": receipt.external_id,
        "recipient": storable(receipt.recipient, 160),
        "outcome": receipt.outcome.value,
        "code": storable(receipt.code, 64),
        "detail": storable(receipt.detail, 1000),
        "loss": receipt.loss.value,
        "at": receipt.at or moment,
        "received_at": moment,
        "event_id": word.event_id,
        "part_id": row.id,
        "our_key": our_key(receipt),
        "billing": storable_details(receipt.billing),
    }


def _add(moves: _Moves, word: Word, row: Row[Any], moment: datetime) -> None:
    receipt, after = word.receipt, word.receipt.outcome.value
    code, detail = storable(receipt.code, 64), storable(receipt.detail, 1000)
    part = {"b_id": row.id, "b_status": after, "b_code": code or row.code, "b_detail": detail}
    billing = storable_details(receipt.billing) or row.billing
    (moves.ended if receipt.outcome in _ENDS else moves.parts).append(part | {"b_billing": billing})
    moves.messages.append({"b_id": row.message_id, "b_status": after, "b_reason": detail, "b_at": moment})
    change = {"message_id": row.message_id, "before": row.status, "after": after}
    moves.history.append(change | {"who": word.who, "code": code, "detail": detail, "at": moment})
    moves.told.append(outbox.Fact(f"message.{after}", row.location_id, moment, row.message_id, after, code, detail))
    if row.ghl_message_id:
        moves.jobs.append(status_job(row.message_id, row.location_id))


def _write(session: Session, moves: _Moves) -> None:
    if not moves.messages:
        return
    connection = session.connection()
    for statement, parts in ((_MOVE, moves.parts), (_END, moves.ended)):
        if parts:
            connection.execute(statement, parts)
    connection.execute(_MOVE_MESSAGES, moves.messages)
    connection.execute(_NOTE, moves.history)
    enqueue(session, moves.jobs)
    outbox.note(session, *moves.told)


_MOVE = (
    update(Part.__table__)  # type: ignore[arg-type]
    .where(Part.id == bindparam("b_id"))
    .values(
        status=bindparam("b_status"),
        code=bindparam("b_code"),
        detail=bindparam("b_detail"),
        billing=bindparam("b_billing"),
    )
)
# Nobody asks about it any more.
_END = _MOVE.values(next_poll_at=None)
_MOVE_MESSAGES = (
    update(Message.__table__)  # type: ignore[arg-type]
    .where(Message.id == bindparam("b_id"))
    .values(
        status=bindparam("b_status"),
        status_at=bindparam("b_at", type_=UtcDateTime()),
        held=False,
        reason=bindparam("b_reason"),
        error_code="",
    )
)
_NOTE = insert(StatusChange.__table__)  # type: ignore[arg-type]
