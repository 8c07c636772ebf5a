"""A person or a group as HighLevel's contact: looked up by its number, made once where there is none."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.content import AddressKind
from portal.ghl import records
from portal.ghl.client import GhlClient
from portal.messaging import contacts
from portal.models import Address, Contact, Location, Message

SOURCE = "WhatsApp"
NAMELESS = {
    AddressKind.GROUP: "WhatsApp group",
    AddressKind.LID: "WhatsApp contact",
    AddressKind.BSUID: "WhatsApp contact",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a message is from or to, as far as HighLevel has to know: a number, or the name of who has none."""

    phone: str
    name: str
    source: str = ""


def person_of(session: Session, contact: Contact, message: Message) -> Person:
    """The person behind a message: by its number if there is one, whichever address the message went over."""
    kind, address = message.address_kind, message.address
    if not address:
        own = select(Address.kind, Address.value).where(Address.contact_id == contact.id).order_by(Address.id)
        kind, address = next(iter(session.execute(own).tuples()), (AddressKind.PHONE.value, ""))
    if kind not in NAMELESS:
        return Person(address, contact.name)
    number = contacts.address_of(session, contact.id, contacts.PHONE) if kind != AddressKind.GROUP else None
    if number:
        return Person(number, contact.name)
    return Person("", contact.name or _name(AddressKind(kind), address), SOURCE)


def find(ghl: GhlClient, token: str, location: Location, person: Person) -> records.Contact:
    """HighLevel's contact. Never an upsert: that would wipe tags and names.

    A name is given to a contact that is made here, and to no other. Raises `GhlError`.
    """
    found = ghl.find_contact(token, location.ghl_id, person.phone) if person.phone else None
    if found is None:
        found = ghl.create_contact(token, location.ghl_id, person.phone, person.name, person.source)
    return found


def _name(kind: AddressKind, address: str) -> str:
    """Something to tell nameless people apart by."""
    return f"{NAMELESS[kind]} {address.partition('@')[0][-4:]}"
