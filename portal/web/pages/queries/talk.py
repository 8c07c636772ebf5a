"""Reading one conversation: a stretch of its messages with all that is shown beside them, and what else it has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, joinedload

from portal.channels.content import AddressKind, Relation
from portal.database import Database
from portal.models import (
    Address,
    Conversation,
    ConversationNote,
    Location,
    MediaFile,
    MediaState,
    Message,
    Sender,
    SenderState,
)
from portal.web.pages.queries.keyset import Key, Stream
from portal.web.pages.queries.pages import LOOKED_AT, PAGE
from portal.web.pages.queries.scope import Scope

# A page that is left open follows the conversation this far; then it offers the older ones again.
MOST_LIVE = 300
MOST_LATER = 500
MOST_NOTES = 200
# So many of the newest messages are asked for the senders that a conversation goes through.
RECENT = 1000
MOST_SENDERS = 200
_FOLDED = (Relation.REACTION, Relation.EDIT, Relation.DELETION)
_STREAM = Stream(Message.position, Message.id)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one conversation, the oldest first.

    `later` are the reactions, edits and deletions that refer to one of them, wherever they stand; `quoted` the messages
    that one of them answers. `older` is where what came before begins; None at the beginning of the conversation.
    """

    messages: Sequence[Message]
    later: Sequence[Message] = ()
    quoted: Mapping[int, Message] = field(default_factory=dict)
    files: Mapping[int, Sequence[MediaFile]] = field(default_factory=dict)
    notes: Sequence[ConversationNote] = ()
    older: Key | None = None
    gave_up: bool = False

    @property
    def first(self) -> Key | None:
        """Where the stretch begins."""
        return Key(self.messages[0].position, self.messages[0].id) if self.messages else None


def one(session: Session, scope: Scope, conversation_id: int) -> tuple[Conversation, Location] | None:
    """The conversation, or the one that it became, when it is in scope."""
    wanted: Any = select(Conversation, Location).join(Location, Location.id == Conversation.location_id)
    options = joinedload(Conversation.contact)
    row: Any = session.execute(scope.narrow(wanted).where(Conversation.id == conversation_id).options(options)).first()
    while row is not None and row[0].merged_into_id is not None:
        row = session.execute(
            scope.narrow(wanted).where(Conversation.id == row[0].merged_into_id).options(options)
        ).first()
    return (row[0], row[1]) if row is not None else None


def newest(session: Session, conversation_id: int, via: int | None, before: Key | None = None) -> Stretch:
    """The newest messages, or those before a cursor; with `via` only those of one sender."""
    ids, older, gave_up = _ids(session, conversation_id, via, before)
    return _filled(session, conversation_id, ids, older, gave_up, before)


def since(session: Session, conversation_id: int, via: int | None, first: Key) -> Stretch:
    """What a page shows that began with a message: that one and all that came since."""
    wanted = select(Message.position, Message.id).where(Message.conversation_id == conversation_id)
    wanted = wanted.where(Message.position >= first.position)
    wanted = wanted.where(tuple_(Message.position, Message.id) >= (first.position, first.id))
    if via is not None:
        wanted = wanted.where(Message.sender_id == via)
    rows = session.execute(wanted.order_by(*_STREAM.newest()).limit(MOST_LIVE + 1)).all()
    older = (
        Key(rows[MOST_LIVE - 1][0], rows[MOST_LIVE - 1][1])
        if len(rows) > MOST_LIVE
        else _before(session, conversation_id, first)
    )
    return _filled(session, conversation_id, [row[1] for row in rows[:MOST_LIVE]], older, False, None)


def _before(session: Session, conversation_id: int, first: Key) -> Key | None:
    """The same key, when something came before it."""
    earlier = select(Message.id).where(Message.conversation_id == conversation_id, *_STREAM.before(first))
    return first if session.scalar(earlier.limit(1)) is not None else None


def _ids(
    session: Session, conversation_id: int, via: int | None, before: Key | None
) -> tuple[list[int], Key | None, bool]:
    own = select(Message.position, Message.id, Message.sender_id)
    own = own.where(Message.conversation_id == conversation_id, *_STREAM.before(before)).order_by(*_STREAM.newest())
    if via is None:
        rows = session.execute(own.limit(PAGE + 1)).all()
        return [row[1] for row in rows[:PAGE]], Key(*rows[PAGE - 1][:2]) if len(rows) > PAGE else None, False
    looked_at = session.execute(own.limit(LOOKED_AT)).all()
    rows = [row for row in looked_at if row[2] == via]
    if len(rows) > PAGE:
        return [row[1] for row in rows[:PAGE]], Key(*rows[PAGE - 1][:2]), False
    gave_up = len(looked_at) == LOOKED_AT
    return [row[1] for row in rows], Key(*looked_at[-1][:2]) if gave_up else None, gave_up


def _filled(
    session: Session, conversation_id: int, ids: Sequence[int], older: Key | None, gave_up: bool, before: Key | None
) -> Stretch:
    load = joinedload(Message.sender)
    found = session.scalars(select(Message).where(Message.id.in_(ids)).options(load)).all()
    messages = sorted(found, key=lambda message: (message.position, message.id))
    about = {message.about_id for message in messages if message.about_id is not None}
    quoted = session.scalars(select(Message).where(Message.id.in_(about))).all()
    own = Message.about_id.in_(ids), Message.about_relation.in_(_FOLDED)
    later = select(Message).where(*own).order_by(Message.position, Message.id).limit(MOST_LATER)
    files: dict[int, list[MediaFile]] = {}
    there = select(MediaFile).where(MediaFile.message_id.in_(ids), MediaFile.state != MediaState.LOOKED)
    for row in session.scalars(there.order_by(MediaFile.message_id, MediaFile.place)):
        files.setdefault(row.message_id, []).append(row)
    return Stretch(
        messages=messages,
        later=session.scalars(later).all(),
        quoted={message.id: message for message in quoted},
        files=files,
        notes=_notes(session, conversation_id, messages[0].position if older and messages else None, before),
        older=older,
        gave_up=gave_up,
    )


def _notes(session: Session, conversation_id: int, low: int | None, before: Key | None) -> Sequence[ConversationNote]:
    own = select(ConversationNote).where(ConversationNote.conversation_id == conversation_id)
    if low is not None:
        own = own.where(ConversationNote.position >= low)
    if before is not None:
        own = own.where(ConversationNote.position < before.position)
    rows = session.scalars(own.order_by(ConversationNote.id.desc()).limit(MOST_NOTES)).all()
    return rows[::-1]


def senders(session: Session, conversation_id: int) -> Sequence[Sender]:
    """The senders that its newest messages went and came through."""
    recent = select(Message.sender_id).where(Message.conversation_id == conversation_id)
    recent = recent.order_by(Message.position.desc()).limit(RECENT)
    ids = {row for row in session.scalars(recent) if row is not None}
    return session.scalars(select(Sender).where(Sender.id.in_(ids)).order_by(Sender.name, Sender.id)).all()


def own_senders(session: Session, location_id: int) -> Sequence[Sender]:
    """Those that a reply may go out through, in the sub-account's order."""
    own = select(Sender).where(Sender.location_id == location_id, Sender.state != SenderState.REMOVED)
    return session.scalars(own.order_by(Sender.position, Sender.id).limit(MOST_SENDERS)).all()


def addresses(session: Session, contact_id: int) -> Sequence[Address]:
    """How the contact can be reached, numbers first."""
    own = (
        select(Address).where(Address.contact_id == contact_id).order_by(Address.kind != AddressKind.PHONE, Address.id)
    )
    return session.scalars(own.limit(PAGE)).all()


def last_with_sender(session: Session, conversation_id: int) -> Message | None:
    """The newest message that a reply can follow, among the latest."""
    recent = select(Message.id).where(Message.conversation_id == conversation_id)
    ids = recent.order_by(*_STREAM.newest()).limit(PAGE).subquery()
    wanted = select(Message).join(ids, ids.c.id == Message.id).where(Message.sender_id.is_not(None))
    found: Message | None = session.scalar(wanted.order_by(*_STREAM.newest()).limit(1))
    return found


def all_of(database: Database, conversation_id: int, at_once: int = 500) -> Iterator[tuple[Message, Sequence[Any]]]:
    """Every message with its files, the oldest first; no transaction is open between the pieces."""
    last: Key | None = None
    while True:
        with database.read() as session:
            own = select(Message).where(Message.conversation_id == conversation_id).options(joinedload(Message.sender))
            if last is not None:
                own = own.where(Message.position >= last.position)
                own = own.where(tuple_(Message.position, Message.id) > (last.position, last.id))
            rows = session.scalars(own.order_by(Message.position, Message.id).limit(at_once)).all()
            files = session.scalars(
                select(MediaFile)
                .where(MediaFile.message_id.in_([row.id for row in rows]), MediaFile.state != MediaState.LOOKED)
                .order_by(MediaFile.message_id, MediaFile.place)
            ).all()
        for row in rows:
            yield row, [file for file in files if file.message_id == row.id]
        if len(rows) < at_once:
            return
        last = Key(rows[-1].position, rows[-1].id)
