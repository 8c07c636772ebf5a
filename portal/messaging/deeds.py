"""Deeds upon many messages: chosen, judged before anybody confirms, then done one by one by the worker.

Each message has a row in its deed, and that row moves in the very transaction of what is done to the message. So a form
that is sent twice, a kill or a second worker does nothing twice: what is not done yet is simply still waiting.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload, selectinload

from portal import clock
from portal.accounts import audit
from portal.database import Database, is_away, is_conflict
from portal.errors import InvalidInput, PortalError
from portal.messaging import decisions, holding, resending
from portal.messaging.statuses import SENTENCES
from portal.models import Deed, DeedItem, DeedKind, DeedState, ItemState, Message, Status
from portal.models.base import new_uuid
from portal.queue.jobs import GHL, Due, complete, enqueue, job, postpone, without_job

log = logging.getLogger(__name__)

KIND = "deed"
# Messages of one deed, and how many of them one turn of the worker does.
MOST, AT_ONCE = 1000, 50
# A selection that nobody has confirmed.
DRAFT_LIFE = timedelta(days=1)
FAILED = "The portal failed on it: see its log."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a deed would do to a message: nothing for the reason of `refusal`; `doubt` has to be overruled."""

    message: Message
    refusal: str = ""
    doubt: str = ""


def choose(session: Session, kind: DeedKind, ids: Sequence[int], actor: audit.Actor, *, more: bool = False) -> Deed:
    """Keeps a selection of messages, at most `MOST`, as a draft. Nothing is done to them yet.

    The caller has made sure that they are the person's to see. Raises `InvalidInput` when there are none.
    """
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        raise InvalidInput("Choose at least one message.")
    deed = Deed(
        uuid=new_uuid(),
        kind=kind,
        who=actor.name[:128],
        who_id=actor.id[:128],
        address=actor.address[:64],
        messages=min(len(wanted), MOST),
        more=more or len(wanted) > MOST,
        created_at=clock.now(),
    )
    session.add(deed)
    session.flush()
    rows = [{"deed_id": deed.id, "message_id": id_} for id_ in wanted[:MOST]]
    session.execute(insert(DeedItem), rows)
    return deed


def messages_of(session: Session, deed_id: int) -> Sequence[Message]:
    """The messages of a deed, in its order, with all that a verdict reads."""
    wanted = select(Message).join(DeedItem, DeedItem.message_id == Message.id).where(DeedItem.deed_id == deed_id)
    load = selectinload(Message.parts), joinedload(Message.location), joinedload(Message.sender)
    return session.scalars(wanted.order_by(DeedItem.id).options(*load)).all()


def judge(session: Session, kind: str, messages: Sequence[Message]) -> list[Verdict]:
    """What the deed would do to each message as it is now. Only looks."""
    if kind == DeedKind.RESEND:
        views = resending.look_at_many(session, messages)
        return [Verdict(each, view.refusal, view.doubt) for each, view in zip(messages, views, strict=True)]
    return [Verdict(each, _WHY_NOT[DeedKind(kind)](each)) for each in messages]


def _why_not_cancelled(message: Message) -> str:
    parts = all(part.status in decisions.CANCELLABLE for part in message.parts)
    if decisions.may_cancel(message) and parts:
        return ""
    return f"It is too late to cancel this message. {SENTENCES[Status(message.status)]}"


_WHY_NOT: Mapping[DeedKind, Callable[[Message], str]] = {
    DeedKind.CANCEL: _why_not_cancelled,
    DeedKind.HOLD: holding.why_not_held,
    DeedKind.RELEASE: holding.why_not_released,
}


def seen(kind: str, verdicts: Sequence[Verdict]) -> str:
    """What somebody sees who confirms now, in short: which would be sent again, with which doubts. "" for other kinds,
    which can send nothing twice, and whose messages move while they are looked at."""
    if kind != DeedKind.RESEND:
        return ""
    lines = [f"{each.message.id} {each.doubt}" for each in verdicts if not each.refusal]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def confirm(
    session: Session, deed: Deed, actor: audit.Actor, reason: str, *, overrule: bool = False, saw: str = ""
) -> bool:
    """Has a draft done, under the name of whoever confirms it; False when that was said before. `saw`: `seen` of what
    that person was shown.

    Raises `InvalidInput` when doubts are overruled without a reason, or when others would be sent than those shown.
    """
    reason = resending.why_overruled(reason, overrule)
    begun = {"state": DeedState.UNDERWAY, "begun_at": clock.now(), "reason": reason, "overrule": overrule}
    whose = {"who": actor.name[:128], "who_id": actor.id[:128], "address": actor.address[:64]}
    draft = update(Deed).where(Deed.id == deed.id, Deed.state == DeedState.DRAFT)
    changed = session.execute(draft.values(**begun, **whose))
    if not changed.rowcount:  # type: ignore[attr-defined]
        return False
    if deed.kind == DeedKind.RESEND:
        verdicts = judge(session, deed.kind, messages_of(session, deed.id))
        if saw and saw != seen(deed.kind, verdicts):
            raise InvalidInput("What would be sent again has changed since you looked: look again, then say so.")
        _settle(session, deed.id, verdicts)
    enqueue(session, [_job(deed.id)])
    return True


def _settle(session: Session, deed_id: int, verdicts: Sequence[Verdict]) -> None:
    """What was refused stays so, whatever becomes of it: nobody has said that it is sent. A doubt is kept with its
    message, because only that one is overruled."""
    states: dict[tuple[ItemState, str], list[int]] = {}
    for each in verdicts:
        state = ItemState.REFUSED if each.refusal else ItemState.WAITING
        if each.refusal or each.doubt:
            states.setdefault((state, each.refusal or each.doubt), []).append(each.message.id)
    for (state, note), ids in states.items():
        mine = DeedItem.deed_id == deed_id, DeedItem.message_id.in_(ids), DeedItem.state == ItemState.WAITING
        session.execute(update(DeedItem).where(*mine).values(state=state, note=note))


def _job(deed_id: int) -> dict[str, object]:
    return job(GHL, KIND, deed_id, f"{KIND}:{deed_id}", priority=10)


class Deeds:
    """Carries out `deed` jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def carry_out(self, due: Due) -> bool:
        """Does some of a deed's messages, each in a transaction of its own; the last turn ends the deed."""
        with self._database.read() as session:
            waiting = DeedItem.deed_id == due.subject, DeedItem.state == ItemState.WAITING
            ids = session.scalars(select(DeedItem.id).where(*waiting).order_by(DeedItem.id).limit(AT_ONCE)).all()
        for id_ in ids:
            self._one(id_)
        with self._database.write() as session:
            if ids:
                postpone(session, due, clock.now())
                return False
            underway = Deed.id == due.subject, Deed.state == DeedState.UNDERWAY
            session.execute(update(Deed).where(*underway).values(state=DeedState.DONE, ended_at=clock.now()))
            complete(session, [due.id])
        return True

    def _one(self, item_id: int) -> None:
        try:
            self._database.patiently(lambda session: _do(session, item_id))
            return
        except PortalError as error:
            note = error.message
        except Exception as error:
            if isinstance(error, SQLAlchemyError | TimeoutError) and (is_away(error) or is_conflict(error)):
                raise
            log.exception("a deed failed on a message", extra={"row": item_id})
            note = FAILED
        refused = update(DeedItem).where(DeedItem.id == item_id, DeedItem.state == ItemState.WAITING)
        with self._database.write() as session:
            session.execute(refused.values(state=ItemState.REFUSED, note=note))


def _do(session: Session, item_id: int) -> None:
    wanted = select(DeedItem).where(DeedItem.id == item_id).with_for_update()
    item = session.scalars(wanted.execution_options(populate_existing=True)).one()
    deed = session.get_one(Deed, item.deed_id)
    if item.state != ItemState.WAITING or deed.state != DeedState.UNDERWAY:
        return
    actor = audit.Person(deed.who, deed.who_id, deed.address)
    message = session.get_one(Message, item.message_id)
    if deed.kind == DeedKind.RESEND:
        overrule = deed.overrule and item.note != ""
        more: dict[str, Any] = {"overrule": overrule, "reason": deed.reason, "doubt": item.note}
        made = resending.resend(session, message.id, deed.who[:80], **more)
        item.made, item.note = made.uuid, ""
        after = {"as": made.uuid, "overruled": overrule, "reason": deed.reason}
        audit.note(session, actor, "sent again", message, after=after)
    else:
        action, act = _ACTS[DeedKind(deed.kind)]
        with audit.deed(session, actor, action, message):
            act(session, message.id, deed.who[:80])
    item.state = ItemState.DONE


_ACTS: Mapping[DeedKind, tuple[str, Callable[[Session, int, str], object]]] = {
    DeedKind.CANCEL: ("cancelled", decisions.cancel),
    DeedKind.HOLD: ("held back", holding.hold),
    DeedKind.RELEASE: ("let go", holding.release),
}


def enqueue_forgotten(session: Session) -> int:
    """Deeds that are under way without a job get one; there should be none."""
    underway = Deed.state == DeedState.UNDERWAY, without_job(Deed.id, KIND)
    found = session.scalars(select(Deed.id).where(*underway).limit(AT_ONCE)).all()
    enqueue(session, [_job(id_) for id_ in found])
    return len(found)


def forget(session: Session) -> int:
    """Removes selections that nobody confirmed within a day."""
    old = Deed.created_at < clock.now() - DRAFT_LIFE, Deed.state == DeedState.DRAFT
    ids = session.scalars(select(Deed.id).where(*old).limit(AT_ONCE).with_for_update()).all()
    session.execute(delete(DeedItem).where(DeedItem.deed_id.in_(ids)))
    session.execute(delete(Deed).where(Deed.id.in_(ids)))
    return len(ids)
