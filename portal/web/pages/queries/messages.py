"""Reading messages: pages of them, and one with all that is known of its path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from portal.messaging import marketing_pauses, windows
from portal.messaging.media import files_of
from portal.models import (
    Attempt,
    Conversation,
    Direction,
    Event,
    Gate,
    Job,
    LedgerEntry,
    Location,
    MediaFile,
    Message,
    Part,
    ReceiptRow,
    Sender,
    StatusChange,
)
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page
from portal.web.pages.queries.scope import Scope, location_ids


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages a page shows. `before` is a message's id: the page begins with the one after it."""

    location: Location | None = None
    status: str = ""
    direction: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """One message with every row that tells of it."""

    message: Message
    event: Event | None
    changes: Sequence[StatusChange]
    attempts: Sequence[Attempt]
    receipts: Sequence[ReceiptRow]
    entries: Sequence[LedgerEntry]
    jobs: Sequence[Job]
    gates: Sequence[Gate]
    sender_names: dict[int, str]
    about: Message | None
    later: Sequence[Message]
    files: Sequence[MediaFile]
    window: datetime | None
    no_marketing_until: datetime | None


def page(session: Session, scope: Scope, wanted: Wanted, limit: int = PAGE) -> Page[Message]:
    """Messages, newest first. `wanted.location` must be in scope."""
    ordered = _ordered(session, wanted)
    looked_at = _looked_at(ordered)
    narrow = _narrow(session, scope, wanted, looked_at)
    ids = select(looked_at.c.id).where(*narrow).order_by(*_order(wanted, looked_at.c)) if narrow else ordered
    found: Sequence[int] = session.scalars(ids.limit(limit + 1)).all()
    result = Page(_load(session, found[:limit]))
    if len(found) > limit:
        return replace(result, older=found[limit - 1])
    last: int | None = session.scalar(ordered.offset(LOOKED_AT - 1).limit(1)) if narrow else None
    return replace(result, older=last, gave_up=last is not None)


def matching(
    session: Session, scope: Scope, wanted: Wanted, statuses: Sequence[str], most: int, *, not_resent: bool = False
) -> tuple[list[int], bool]:
    """The ids of at most `most` outgoing messages that the filters find and that have one of the statuses, newest
    first, from the cursor on; and whether there are more, or may be: no more rows are read than a page may read."""
    ordered = _ordered(session, wanted)
    looked_at = _looked_at(ordered)
    narrow = _narrow(session, scope, wanted, looked_at)
    narrow += [looked_at.c.direction == Direction.OUT, looked_at.c.status.in_(statuses)]
    if not_resent:
        narrow.append(~exists().where(Message.resend_of_id == looked_at.c.id))
    ids = select(looked_at.c.id).where(*narrow).order_by(*_order(wanted, looked_at.c))
    found = list(session.scalars(ids.limit(most + 1)))
    more = len(found) > most or session.scalar(ordered.offset(LOOKED_AT).limit(1)) is not None
    return found[:most], more


def named(session: Session, scope: Scope, uuids: Sequence[str]) -> list[int]:
    """The ids of those of these messages that are in scope, newest first."""
    wanted = select(Message.id).join(Location, Location.id == Message.location_id).where(Message.uuid.in_(uuids))
    return list(session.scalars(scope.narrow(wanted).order_by(Message.id.desc())))


def _ordered(session: Session, wanted: Wanted) -> Select[Any]:
    """Ids in the page's order: a location's messages by their place, all messages by id. Each has its index."""
    ids = select(Message.id).order_by(*_order(wanted))
    before = wanted.before
    if wanted.location is None:
        return ids if before is None else ids.where(Message.id < before)
    ids = ids.where(Message.location_id == wanted.location.id)
    place = session.scalar(select(Message.position).where(Message.id == before)) if before is not None else None
    if place is None:
        return ids
    earlier = or_(Message.position < place, Message.id < before)
    return ids.where(Message.position <= place, earlier)


def _order(wanted: Wanted, columns: Any = Message) -> tuple[Any, ...]:
    newest = columns.id.desc()
    return (newest,) if wanted.location is None else (columns.position.desc(), newest)


def _looked_at(ordered: Select[Any]) -> Any:
    """As many rows as a page may read, with what its filters ask for. Not joined with the table again: SQLite would
    then read all of that in its order, and look each up among these."""
    columns = Message.id, Message.position, Message.location_id, Message.status, Message.direction
    return ordered.with_only_columns(*columns).limit(LOOKED_AT).subquery()


def _narrow(session: Session, scope: Scope, wanted: Wanted, looked_at: Any) -> list[ColumnElement[bool]]:
    narrow: list[ColumnElement[bool]] = []
    if wanted.location is None and not scope.everything:
        narrow.append(looked_at.c.location_id.in_(location_ids(session, scope)))
    if wanted.status:
        narrow.append(looked_at.c.status == wanted.status)
    if wanted.direction:
        narrow.append(looked_at.c.direction == wanted.direction)
    return narrow


def _load(session: Session, ids: Sequence[int]) -> list[Message]:
    rows = session.scalars(
        select(Message).where(Message.id.in_(ids)).options(joinedload(Message.location), joinedload(Message.sender))
    )
    found = {row.id: row for row in rows}
    return [found[each] for each in ids if each in found]


def one(session: Session, scope: Scope, uuid: str) -> Message | None:
    """The message with this id, when it is in scope."""
    wanted = select(Message).join(Location, Location.id == Message.location_id).where(Message.uuid == uuid)
    options = (
        joinedload(Message.location),
        joinedload(Message.sender),
        joinedload(Message.conversation).joinedload(Conversation.contact),
        selectinload(Message.parts),
    )
    found: Message | None = session.scalar(scope.narrow(wanted).options(*options))
    return found


def path(session: Session, message: Message) -> Path:
    """All that is known of a message's path, each in its order."""
    parts = [part.id for part in message.parts]
    attempts = session.scalars(
        select(Attempt).where(Attempt.part_id.in_(parts)).order_by(Attempt.started_at, Attempt.id)
    ).all()
    files = files_of(session, message.id)
    jobs = _jobs(session, message, parts, [file.id for file in files])
    return Path(
        message=message,
        event=session.get(Event, message.event_id) if message.event_id else None,
        changes=_of(session, StatusChange, StatusChange.message_id == message.id),
        attempts=attempts,
        receipts=_receipts(session, message.parts),
        entries=_of(session, LedgerEntry, LedgerEntry.message_id == message.id),
        jobs=jobs,
        gates=session.scalars(select(Gate).where(Gate.key.in_({job.gate for job in jobs if job.gate}))).all(),
        sender_names=_sender_names(session, {attempt.sender_id for attempt in attempts}),
        about=session.get(Message, message.about_id) if message.about_id is not None else None,
        later=session.scalars(
            select(Message).where(Message.about_id == message.id).order_by(Message.position).limit(PAGE)
        ).all(),
        files=files,
        window=windows.look(session, message) if message.sender is not None and message.sender.windowed else None,
        no_marketing_until=marketing_pauses.look(session, message),
    )


def _of(session: Session, model: Any, condition: ColumnElement[bool]) -> Sequence[Any]:
    return session.scalars(select(model).where(condition).order_by(model.id)).all()


def _receipts(session: Session, parts: Sequence[Part]) -> Sequence[ReceiptRow]:
    """By the provider's ids: that is where the table has its index."""
    theirs = [
        and_(ReceiptRow.sender_id == part.sender_id, ReceiptRow.external_id == part.external_id)
        for part in parts
        if part.external_id and part.sender_id
    ]
    return session.scalars(select(ReceiptRow).where(or_(*theirs)).order_by(ReceiptRow.id)).all() if theirs else []


def _jobs(session: Session, message: Message, parts: Sequence[int], files: Sequence[int]) -> Sequence[Job]:
    of_parts = and_(Job.kind.in_(("send", "check_status")), Job.subject.in_(parts))
    of_message = and_(
        Job.kind.in_(("push_status", "post_message", "post_files", "tell_call")), Job.subject == message.id
    )
    of_files = and_(Job.kind == "fetch_media", Job.subject.in_(files))
    return session.scalars(select(Job).where(or_(of_parts, of_message, of_files)).order_by(Job.id)).all()


def _sender_names(session: Session, ids: set[int]) -> dict[int, str]:
    return {row.id: row.name for row in session.execute(select(Sender.id, Sender.name).where(Sender.id.in_(ids)))}
