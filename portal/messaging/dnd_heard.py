"""What HighLevel says of a contact's DND, in an event or when we look it up, made into opt-outs and lifted again.

Only a change counts. Our own write that comes back is none, and what is lifted there is only what was set there: a
contact's own STOP stays until they write START or a person lifts it here.
"""

from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from portal.channels.content import AddressKind
from portal.ghl.dnd import Dnd
from portal.messaging import contacts, dnd, optouts
from portal.models import Address, Contact, ContactDnd, ContactMerge, Origin

SOURCE = "DND was set in HighLevel"
WHO = "HighLevel"


def hear(session: Session, contact: Contact, said: Dnd, at: datetime) -> list[str]:
    """Takes note of the settings; returns in words what they changed here."""
    changes = []
    for family in dnd.CHANNELS:
        now = _now(session, contact, family, said)
        if now is not None:
            changes.append(_hear(session, contact, family, now, at))
    return [change for change in changes if change]


def _now(session: Session, contact: Contact, family: str, said: Dnd) -> str | None:
    """on, all or off; None when nothing is said of this channel.

    "Not everything is off" says nothing of one channel, unless it was the switch for all that turned it on.
    """
    named = said.channels.get(dnd.CHANNELS[family])
    if named is not None:
        return dnd.ON if named else dnd.OFF
    if said.everything is True:
        return dnd.ALL
    return dnd.OFF if said.everything is False and _known(session, contact, family) == dnd.ALL else None


def _hear(session: Session, contact: Contact, family: str, now: str, at: datetime) -> str:
    on = dnd.is_on(now)
    if not on and not _known(session, contact, family):
        return ""  # it never was on, as far as we know: most contacts stay so
    row = dnd.locked(session, contact.id, family)
    if row.told_at is not None and at < row.told_at:
        return ""  # it comes late, and we have written since
    changed, row.known, row.heard_at = dnd.is_on(row.known) != on or not row.known, now, at
    if row.wanted:
        # Ours coming back, or what was there before ours, which is newer and on its way.
        row.wanted = "" if dnd.is_on(row.wanted) == on else row.wanted
        return ""
    if not changed:
        return ""
    return _silence(session, contact, family) if on else _free(session, contact, family)


def _known(session: Session, contact: Contact, family: str) -> str:
    same = ContactDnd.contact_id == contact.id, ContactDnd.family == family
    found = session.execute(select(ContactDnd.known, ContactDnd.wanted).where(*same)).first()
    return (found.known or found.wanted) if found else ""


def _silence(session: Session, contact: Contact, family: str) -> str:
    """HighLevel goes on having two contacts where we know that they are one person: either's DND is theirs."""
    person = contacts.follow(session, contact)
    evidence = optouts.Evidence(Origin.HIGHLEVEL, person.id, by=WHO)
    added = optouts.add(session, person.location_id, family, _address(session, person), SOURCE, evidence)
    return f"opted out of {family}" if added else ""


def _free(session: Session, contact: Contact, family: str) -> str:
    person = contacts.follow(session, contact)
    if _is_on(session, person, family):
        return ""
    by = "DND was taken off in HighLevel"
    count = optouts.lift(session, person.location_id, family, "", by, person.id, only=Origin.HIGHLEVEL)
    return f"opted into {family} again" if count else ""


def taken_apart(session: Session, back: Contact, from_: Contact) -> None:
    """They prove to be two: the one that comes back takes its own DND along."""
    for family in dnd.CHANNELS:
        if _is_on(session, back, family):
            _silence(session, back, family)
        _free(session, from_, family)


def _is_on(session: Session, person: Contact, family: str) -> bool:
    """Is DND on for one of the contacts in HighLevel that are this person?"""
    same = ContactMerge.location_id == Address.location_id, ContactMerge.value == Address.value
    merged = select(ContactMerge.from_id).join(Address, and_(*same, ContactMerge.kind == Address.kind))
    ids = {person.id, *session.scalars(merged.where(Address.contact_id == person.id, ContactMerge.undone_at.is_(None)))}
    on = ContactDnd.contact_id.in_(ids - {None}), ContactDnd.known.in_((dnd.ON, dnd.ALL))
    return session.scalar(select(ContactDnd.id).where(*on, ContactDnd.family == family).limit(1)) is not None


def _address(session: Session, contact: Contact) -> str:
    """For people to read: the opt-out is the contact's, whatever their addresses."""
    own = select(Address.value).where(Address.contact_id == contact.id)
    by_phone = own.order_by(Address.kind != AddressKind.PHONE, Address.id.desc()).limit(1)
    return session.scalar(by_phone) or ""
