"""Reading the list of conversations: by their last activity, or by the newest message that the filters ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, null, or_, select, text
from sqlalchemy.orm import Session, joinedload

from portal.messaging import numbers
from portal.models import Address, Contact, Conversation, Event, Location, Message, Sender
from portal.web.pages.queries.keyset import Key, Stream, above, lowest
from portal.web.pages.queries.moments import first_since
from portal.web.pages.queries.pages import LOOKED_AT, PAGE
from portal.web.pages.queries.scope import Scope

# So many sub-accounts are looked through one by one; above that all messages are, in the order of their ids.
MOST_PLACES = 100
# Messages of one page that the filters let through; several are of one conversation.
MOST_FOUND = 1000
# Webhooks are received before their messages are written, and clocks differ between processes.
SLACK = timedelta(hours=1)
SHORTEST_NUMBER = 6
# The condition of the index, word for word: SQLite uses a partial index only for what it can read in the statement.
_UNREAD = text("conversation.unread > 0")
_NUMBER = frozenset("+0123456789 ()-./")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations a page shows. All but `unread` ask for a message that is so; `since` and `until` bound its
    moment, the second not included. `before` is where the page begins."""

    location: Location | None = None
    sender: Sender | None = None
    channel: str = ""
    direction: str = ""
    kind: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    unread: bool = False
    text: str = ""
    before: Key | None = None

    @property
    def of_messages(self) -> bool:
        """Do the filters ask for more than the conversation's own row tells?"""
        return bool(self.sender or self.channel or self.direction or self.kind or self.status or self.text)


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation, and the message that stands for it: its last one, or the newest that the filters found.

    `channels` are the kinds of the senders that it uses, as far as the two rows tell.
    """

    conversation: Conversation
    location: Location
    message: Message | None
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Found:
    """Some rows and where the next page begins (None at the end). `gave_up`: it looked at as many as it may."""

    rows: Sequence[Row]
    older: Key | None = None
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class _Hit:
    key: Key
    conversation_id: int
    message_id: int | None


def page(session: Session, scope: Scope, wanted: Wanted, limit: int = PAGE) -> Found:
    """Conversations, the latest first. `wanted.location` and `wanted.sender` must be in scope."""
    places = _places(session, scope, wanted)
    if places is not None and not places:
        return Found([])
    if people := _by_number(session, scope, wanted):
        return Found(_rows(session, people[:limit]))
    stream, query, narrow = _question(scope, wanted, places)
    before, floor = _bounds(session, stream, wanted)
    # Where every row that is read is shown, no more of them are read than a page has.
    most = LOOKED_AT if narrow else (limit + 1) * len(places or [0])
    low = lowest(session, stream, places or [], before, most)
    asked = above(query, stream, places or [], before, max(filter(None, (low, floor)), default=None))
    found = session.execute(asked.where(*narrow).limit(MOST_FOUND)).all()
    hits, cut = _distinct(found, limit)
    if cut is None and len(found) == MOST_FOUND:
        cut = Key(found[-1][0], found[-1][1])
    rows = _rows(session, hits)
    if cut is not None:
        return Found(rows, cut)
    if low is None or (floor is not None and low <= floor):
        return Found(rows)
    return Found(rows, Key(low), gave_up=True)


def _places(session: Session, scope: Scope, wanted: Wanted) -> list[int] | None:
    """The sub-accounts to look through, None for very many."""
    if wanted.location is not None:
        return [wanted.location.id]
    if wanted.sender is not None:
        return [wanted.sender.location_id]
    found = session.scalars(scope.narrow(select(Location.id)).limit(MOST_PLACES + 1)).all()
    return list(found) if len(found) <= MOST_PLACES else None


def _question(scope: Scope, wanted: Wanted, places: list[int] | None) -> tuple[Stream, Any, list[ColumnElement[bool]]]:
    """What is looked through, the columns of a hit, and the conditions that a look costs a row each."""
    if places is not None and not wanted.of_messages:
        holds: tuple[Any, ...] = (Conversation.last_position > 0, *((_UNREAD,) if wanted.unread else ()))
        own = Stream(Conversation.last_position, Conversation.id, Conversation.location_id, holds)
        rows = select(Conversation.last_position, Conversation.id, Conversation.id.label("again"), null())
        if wanted.unread:
            # Else SQLite may read all that came since the last of them.
            rows = rows.with_hint(Conversation, "INDEXED BY ix_conversation_unread", "sqlite")
        return own, rows, _of_time(Conversation.last_message_at, wanted)
    narrow = [*_of_message(wanted), *_of_time(Message.created_at, wanted)]
    query: Any = select(Message.position, Message.id, Message.conversation_id, Message.id.label("message"))
    if wanted.unread:
        narrow.append(_its(Conversation.unread) > 0)
    if places is not None:
        return Stream(Message.position, Message.id, Message.location_id), query, narrow
    # Over very many sub-accounts: by the order in which messages were written, which needs no index of its own.
    if not wanted.of_messages:
        narrow.append(_its(Conversation.last_position) == Message.position)
    if not scope.everything:
        narrow.append(Message.location_id.in_(scope.narrow(select(Location.id))))
    everywhere = select(Message.id, Message.id.label("again"), Message.conversation_id, Message.id.label("message"))
    return Stream(Message.id, Message.id), everywhere, narrow


def _its(column: Any) -> Any:
    """Of a message's conversation or contact, looked up for each row: a join might read all of them instead."""
    own = select(column).select_from(Conversation).where(Conversation.id == Message.conversation_id)
    if column.class_ is Contact:
        own = own.join(Contact, Contact.id == Conversation.contact_id)
    return own.correlate(Message).scalar_subquery()


def _of_message(wanted: Wanted) -> list[ColumnElement[bool]]:
    narrow: list[ColumnElement[bool]] = []
    for column, value in (
        (Message.direction, wanted.direction),
        (Message.kind, wanted.kind),
        (Message.status, wanted.status),
    ):
        if value:
            narrow.append(column == value)
    if wanted.sender is not None:
        narrow.append(Message.sender_id == wanted.sender.id)
    if wanted.channel:
        narrow.append(Message.sender_id.in_(select(Sender.id).where(Sender.channel == wanted.channel)))
    if wanted.text:
        told = (Message.body, Message.address, Message.author_name, _its(Contact.name))
        narrow.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in told)))
    return narrow


def _of_time(column: Any, wanted: Wanted) -> list[ColumnElement[bool]]:
    narrow = []
    if wanted.since is not None:
        narrow.append(column >= wanted.since)
    if wanted.until is not None:
        narrow.append(column < wanted.until)
    return narrow


def _bounds(session: Session, stream: Stream, wanted: Wanted) -> tuple[Key | None, int | None]:
    """Where the look begins and where it ends for good: days far back are not looked for row by row."""
    ids: tuple[Any, Any] = (Event.id, Event.received_at)
    if stream.place is None:
        ids = (Message.id, Message.created_at)
    before, floor = wanted.before, None
    if wanted.until is not None:
        end = Key(first_since(session, ids[0], ids[1], wanted.until + SLACK) + 1)
        before = end if before is None else min(before, end)
    if wanted.since is not None:
        floor = first_since(session, ids[0], ids[1], wanted.since - SLACK)
    return before, floor


def _distinct(found: Sequence[Any], limit: int) -> tuple[list[_Hit], Key | None]:
    """The first hit of each conversation, and the last row that belongs to this page where there are more."""
    hits: dict[int, _Hit] = {}
    last: Key | None = None
    for position, id_, conversation_id, message_id in found:
        if conversation_id not in hits and len(hits) == limit:
            return list(hits.values()), last
        last = Key(position, id_)
        hits.setdefault(conversation_id, _Hit(last, conversation_id, message_id))
    return list(hits.values()), None


def _by_number(session: Session, scope: Scope, wanted: Wanted) -> list[_Hit]:
    """Who is looked up by a whole number is found however long ago they wrote."""
    if wanted.before is not None or not wanted.text or not _NUMBER.issuperset(wanted.text):
        return []
    digits = "".join(filter(str.isdigit, wanted.text))
    if len(digits) < SHORTEST_NUMBER:
        return []
    values = {digits, f"+{digits}"}
    known = numbers.normalise(wanted.text, wanted.location.country or None if wanted.location else None)
    if not isinstance(known, numbers.Rejection):
        values.add(known.e164)
    people: Any = select(Conversation.last_position, Conversation.id)
    same = Address.contact_id == Conversation.contact_id, Address.location_id == Conversation.location_id
    people = people.join(Address, and_(*same))
    people = people.join(Location, Location.id == Address.location_id)
    people = scope.narrow(people).where(Address.value.in_(sorted(values)), Conversation.last_position > 0)
    if wanted.location is not None:
        people = people.where(Address.location_id == wanted.location.id)
    if wanted != Wanted(location=wanted.location, text=wanted.text):
        return []
    found = session.execute(people.order_by(Conversation.last_position.desc()).limit(PAGE)).all()
    return [_Hit(Key(row[0], row[1]), row[1], None) for row in found]


def _rows(session: Session, hits: Sequence[_Hit]) -> list[Row]:
    ids = [hit.conversation_id for hit in hits]
    wanted = select(Conversation, Location).join(Location, Location.id == Conversation.location_id)
    told = session.execute(wanted.where(Conversation.id.in_(ids)).options(joinedload(Conversation.contact)))
    known = {row[0].id: row for row in told}
    messages = _messages(session, hits, [row[0] for row in known.values()])
    sticky = {row[0].sticky_sender_id for row in known.values()} - {None}
    named = session.execute(select(Sender.id, Sender.channel).where(Sender.id.in_(sticky)))
    channels = {row[0]: row[1] for row in named}
    rows = []
    for id_ in dict.fromkeys(ids):
        if id_ not in known:
            continue
        conversation, location = known[id_]
        message = messages.get(id_)
        used = (
            message.sender.channel if message and message.sender else "",
            channels.get(conversation.sticky_sender_id or 0, ""),
        )
        rows.append(Row(conversation, location, message, list(dict.fromkeys(filter(None, used)))))
    return rows


def _messages(session: Session, hits: Sequence[_Hit], rows: Sequence[Conversation]) -> dict[int, Message]:
    """The message of each hit; where the conversation itself was found, its last one."""
    load = joinedload(Message.sender)
    named = [hit.message_id for hit in hits if hit.message_id is not None]
    if named:
        found = session.scalars(select(Message).where(Message.id.in_(named)).options(load)).all()
        return {message.conversation_id: message for message in found}
    own = select(Message.id).where(
        Message.conversation_id == Conversation.id, Message.position == Conversation.last_position
    )
    # By an id for each: of a list of pairs SQLite makes a scan of all messages.
    last = own.order_by(Message.id.desc()).limit(1).correlate(Conversation).scalar_subquery()
    ids = session.scalars(select(last).where(Conversation.id.in_([row.id for row in rows]))).all()
    wanted = select(Message).where(Message.id.in_([id_ for id_ in ids if id_ is not None])).options(load)
    return {message.conversation_id: message for message in session.scalars(wanted)}
