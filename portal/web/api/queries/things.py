"""Reading conversations, contacts, senders, templates, opt-outs and the journal."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, defer, joinedload

from portal.accounts.api_keys import Reach
from portal.models import (
    Address,
    Contact,
    Conversation,
    Event,
    Location,
    Message,
    OptOut,
    Sender,
    SenderState,
    TemplateRow,
)
from portal.web.admin.queries.events import location_of
from portal.web.api.queries import by_place, newest_first, number
from portal.web.pages.queries.pages import LOOKED_AT

MOST_ADDRESSES = 50
# How the lanes of a location's own events begin.
_OWN_LANES = ("ghl", "portal")


def locations(session: Session, reach: Reach, cursor: str, limit: int) -> tuple[Sequence[Location], str]:
    """The locations that the key reaches, the newest first."""
    rows, after = newest_first(session, reach.narrow(select(Location)), Location.id, cursor, limit)
    return [row[0] for row in rows], after


def conversations(session: Session, location: Location, cursor: str, limit: int) -> tuple[Sequence[Conversation], str]:
    """A location's conversations, that with the latest message first."""
    wanted = select(Conversation).where(Conversation.location_id == location.id, Conversation.merged_into_id.is_(None))
    wanted = wanted.options(joinedload(Conversation.contact))
    rows, after = by_place(session, wanted, Conversation.last_position, Conversation.id, cursor, limit)
    return [row[0] for row in rows], after


def conversation(session: Session, reach: Reach, conversation_id: int) -> tuple[Conversation, Location] | None:
    """One conversation with its location, when the key reaches it."""
    wanted = (
        select(Conversation, Location)
        .join(Location, Location.id == Conversation.location_id)
        .where(Conversation.id == conversation_id)
        .options(joinedload(Conversation.contact))
    )
    found = session.execute(reach.narrow(wanted)).first()
    return (found[0], found[1]) if found is not None else None


def thread(session: Session, conversation_id: int, cursor: str, limit: int) -> tuple[Sequence[Message], str]:
    """A conversation's messages, newest first. The caller has found it in reach."""
    wanted = select(Message).where(Message.conversation_id == conversation_id).options(joinedload(Message.location))
    rows, after = by_place(session, wanted, Message.position, Message.id, cursor, limit)
    return [row[0] for row in rows], after


def contacts(
    session: Session, location: Location, address: str, cursor: str, limit: int
) -> tuple[Sequence[Contact], str]:
    """A location's contacts, the newest first, or whose this address is."""
    wanted = select(Contact).where(Contact.location_id == location.id)
    if address:
        named = Address.location_id == location.id, Address.value == address
        wanted = wanted.where(Contact.id.in_(select(Address.contact_id).where(*named)))
    rows, after = newest_first(session, wanted, Contact.id, cursor, limit)
    return [row[0] for row in rows], after


def contact(session: Session, reach: Reach, contact_id: int) -> tuple[Contact, Location] | None:
    """One contact with its location, when the key reaches it."""
    wanted = select(Contact, Location).join(Location, Location.id == Contact.location_id)
    found = session.execute(reach.narrow(wanted.where(Contact.id == contact_id))).first()
    return (found[0], found[1]) if found is not None else None


def ways_to(session: Session, ids: Sequence[int]) -> tuple[dict[int, list[Address]], dict[int, int]]:
    """Contacts' addresses and conversations, by the contact's id."""
    addresses: dict[int, list[Address]] = {}
    for row in session.scalars(select(Address).where(Address.contact_id.in_(ids)).order_by(Address.id)):
        known = addresses.setdefault(row.contact_id, [])
        if len(known) < MOST_ADDRESSES:
            known.append(row)
    asked = select(Conversation.contact_id, Conversation.id).where(Conversation.contact_id.in_(ids))
    return addresses, {row.contact_id: row.id for row in session.execute(asked)}


def senders(session: Session, location: Location, cursor: str, limit: int) -> tuple[Sequence[Sender], str]:
    """A location's senders that are not removed, the newest first."""
    wanted = select(Sender).where(Sender.location_id == location.id, Sender.state != SenderState.REMOVED)
    rows, after = newest_first(session, wanted, Sender.id, cursor, limit)
    return [row[0] for row in rows], after


def sender(session: Session, reach: Reach, sender_id: int) -> Sender | None:
    """One sender, when the key reaches it and it is not removed."""
    wanted = select(Sender).join(Sender.location).options(contains_eager(Sender.location))
    mine = Sender.id == sender_id, Sender.state != SenderState.REMOVED
    found: Sender | None = session.scalar(reach.narrow(wanted.where(*mine)))
    return found


def templates(session: Session, sender_id: int, cursor: str, limit: int) -> tuple[Sequence[TemplateRow], str]:
    """A sender's templates that its provider lists. The caller has found the sender in reach."""
    wanted = select(TemplateRow).where(TemplateRow.sender_id == sender_id, TemplateRow.gone_at.is_(None))
    rows, after = newest_first(session, wanted, TemplateRow.id, cursor, limit)
    return [row[0] for row in rows], after


def opt_outs(
    session: Session, location: Location, address: str, state: str, cursor: str, limit: int
) -> tuple[Sequence[OptOut], str]:
    """A location's opt-outs, newest first."""
    wanted = select(OptOut).where(OptOut.location_id == location.id)
    if address:
        wanted = wanted.where(OptOut.address == address)
    if state:
        wanted = wanted.where(OptOut.lifted_at.is_(None) if state == "standing" else OptOut.lifted_at.is_not(None))
    rows, after = newest_first(session, wanted, OptOut.id, cursor, limit)
    return [row[0] for row in rows], after


def opt_out(session: Session, reach: Reach, opt_out_id: int) -> tuple[OptOut, Location] | None:
    """One opt-out with its location, when the key reaches it."""
    wanted = select(OptOut, Location).join(Location, Location.id == OptOut.location_id)
    found = session.execute(reach.narrow(wanted.where(OptOut.id == opt_out_id))).first()
    return (found[0], found[1]) if found is not None else None


def events(session: Session, location: Location, state: str, cursor: str, limit: int) -> tuple[Sequence[Event], str]:
    """A location's part of the journal, newest first: of the newest `LOOKED_AT` events before the cursor."""
    wanted = select(Event.id, Event.source, Event.lane, Event.sender_key).order_by(Event.id.desc())
    before = number(cursor)
    if before is not None:
        wanted = wanted.where(Event.id < before)
    if state:
        wanted = wanted.where(Event.state == state)
    looked_at = session.execute(wanted.limit(LOOKED_AT)).all()
    keys = frozenset(session.scalars(select(Sender.key).where(Sender.location_id == location.id)))
    mine = [row.id for row in looked_at if _is_of(row, location, keys)][: limit + 1]
    after = ""
    if len(mine) > limit:
        after = str(mine[limit - 1])
    elif len(looked_at) == LOOKED_AT:
        after = str(looked_at[-1].id)
    rows = session.scalars(
        select(Event).where(Event.id.in_(mine[:limit])).order_by(Event.id.desc()).options(*_WITHOUT_BODY)
    )
    return rows.all(), after


def event(session: Session, reach: Reach, event_id: int) -> Event | None:
    """One event, when it is of a location that the key reaches."""
    found = session.get(Event, event_id, options=_WITHOUT_BODY)
    if found is None:
        return None
    owner = select(Location)
    if found.source in _OWN_LANES:
        owner = owner.where(Location.ghl_id == location_of(found.lane))
    else:
        owner = owner.join(Sender, Sender.location_id == Location.id).where(Sender.key == found.sender_key)
    return found if session.scalar(reach.narrow(owner).limit(1)) is not None else None


def _is_of(row: Any, location: Location, keys: frozenset[str]) -> bool:
    if row.source in _OWN_LANES:
        return location_of(row.lane) == location.ghl_id
    return row.sender_key in keys


_WITHOUT_BODY = (defer(Event.body), defer(Event.headers))
