"""HighLevel's DND of a contact: what it is known to be, and what still has to be written there.

Only what changes here is written: what HighLevel says is taken note of, and never answered by a write of our own.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.database import insert_new
from portal.ghl.dnd import DndChannel
from portal.messaging.silence import of_person
from portal.models import Contact, ContactDnd, OptOut
from portal.queue.gates import ghl_gate
from portal.queue.jobs import GHL, enqueue, job

KIND = "push_dnd"
ON, OFF, ALL = "on", "off", "all"
# Viber has no setting of its own in HighLevel: there opt-outs are ours alone.
CHANNELS: Mapping[str, DndChannel] = {Family.SMS: DndChannel.SMS, Family.WHATSAPP: DndChannel.WHATSAPP}


def wish(session: Session, contact_id: int | None, family: str, on: bool, note: str, *, first: bool = False) -> None:
    """Has DND of one channel written in HighLevel, the newest wish alone; `first`: only if it never was.

    A contact that HighLevel does not know is not made for it: it is written once HighLevel knows them.
    """
    if contact_id is None or family not in CHANNELS:
        return
    row = locked(session, contact_id, family)
    if first and (row.known or row.wanted):
        return
    wanted = ON if on else OFF
    # What waits may be on its way this moment: only a newer wish beside it has the job come again.
    there = row.known and is_on(row.known) == on and not row.wanted
    row.wanted = "" if there else wanted
    row.note, row.failure = note[:200], ""
    contact = session.get_one(Contact, contact_id)
    if row.wanted and contact.ghl_contact_id:
        push(session, contact, row)


def push(session: Session, contact: Contact, row: ContactDnd) -> None:
    """Leaves the job that writes what is wanted."""
    session.flush()
    gate = ghl_gate(contact.location_id)
    enqueue(session, [job(GHL, KIND, row.id, f"dnd:{contact.id}", gate=gate, priority=20)])


def identified(session: Session, contact: Contact) -> None:
    """HighLevel knows the contact from now on: it is told of the opt-outs that stand, and of what waited for this."""
    left = select(ContactDnd).where(ContactDnd.contact_id == contact.id, ContactDnd.wanted == OFF)
    for row in session.scalars(left).all():
        wish(session, contact.id, row.family, False, row.note)
    for family in CHANNELS:
        standing = of_person(contact.location_id, family, "", contact.id)
        source = session.scalar(select(OptOut.source).where(standing).limit(1))
        if source is not None:
            wish(session, contact.id, family, True, source)


def forget(session: Session, contact: Contact) -> None:
    """The contact was deleted in HighLevel, and its settings with it. Opt-outs stay."""
    for row in session.scalars(select(ContactDnd).where(ContactDnd.contact_id == contact.id).with_for_update()):
        row.known = row.wanted = ""


def locked(session: Session, contact_id: int, family: str) -> ContactDnd:
    """The row of a contact's channel, made when there is none, locked for this transaction."""
    wanted = (
        select(ContactDnd)
        .where(ContactDnd.contact_id == contact_id, ContactDnd.family == family)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = session.scalar(wanted)
    if found is None:
        values = {"contact_id": contact_id, "family": family, "wanted": "", "known": "", "note": "", "failure": ""}
        insert_new(session, ContactDnd, values)
        found = session.scalars(wanted).one()
    return found


def is_on(known: str) -> bool:
    """Does HighLevel keep the channel from sending, as far as we know?"""
    return known in (ON, ALL)
