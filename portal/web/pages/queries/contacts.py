"""Finding a contact of one location: by HighLevel's id, by a number or another address, by a part of the name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.messaging import contacts, numbers
from portal.models import Address, Contact, Conversation, Location
from portal.web.pages.queries.pages import LOOKED_AT

MOST_FOUND = 10


@dataclass(frozen=True, slots=True)
class Found:
    """The contacts that a text may mean. `number` is the one that it is, E.164, "" when it is none."""

    rows: Sequence[Contact]
    number: str = ""


def find(session: Session, location: Location, text: str) -> Found:
    """At most `MOST_FOUND`; by name among those that were last talked to."""
    own = select(Contact).where(Contact.location_id == location.id)
    row = session.scalar(own.where(Contact.ghl_contact_id == text))
    if row is not None:
        return Found([contacts.follow(session, row)])
    number = numbers.normalise(text, location.country or None, mobile_only=False)
    e164 = number.e164 if isinstance(number, numbers.Number) else ""
    at = Address.location_id == location.id, Address.value.in_({text, e164} - {""})
    rows: Sequence[Contact] = session.scalars(
        own.join(Address, Address.contact_id == Contact.id).where(*at).limit(MOST_FOUND)
    ).all()
    if rows or e164:
        return Found(rows, e164)
    return Found(session.scalars(_named(location.id, text)).all())


def one(session: Session, location: Location, contact_id: int) -> Contact | None:
    """The location's contact with this id."""
    return session.scalar(select(Contact).where(Contact.id == contact_id, Contact.location_id == location.id))


def phones(session: Session, rows: Sequence[Contact]) -> dict[int, str]:
    """By contact, its newest number."""
    wanted = select(Address.contact_id, Address.value).where(
        Address.contact_id.in_([row.id for row in rows]), Address.kind == contacts.PHONE
    )
    return {row.contact_id: row.value for row in session.execute(wanted.order_by(Address.id))}


def _named(location_id: int, text: str) -> Select[Any]:
    recent = (
        select(Conversation.contact_id, Conversation.last_position)
        .where(Conversation.location_id == location_id)
        .order_by(Conversation.last_position.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    named = Contact.name.icontains(text, autoescape=True), Contact.merged_into_id.is_(None)
    found = select(Contact).join(recent, recent.c.contact_id == Contact.id).where(*named)
    return found.order_by(recent.c.last_position.desc()).limit(MOST_FOUND)
