"""Where a message goes: to the number it names, or there where the conversation is held.

WhatsApp does not tell everybody's number (LID, BSUID), and a group has none: what is answered to them goes to their own
id, and only through lines that can write there.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.base import Channel, Family
from portal.channels.capabilities import LinksPhone, Reaches
from portal.channels.content import AddressKind
from portal.messaging import contacts
from portal.models import Address, ContactMerge, Conversation, Message, Sender

PHONE, LID, GROUP, BSUID = AddressKind.PHONE, AddressKind.LID, AddressKind.GROUP, AddressKind.BSUID
NO_ADDRESS = "The contact has no phone number: add one in HighLevel."


def reach(channel: Channel, family: str) -> tuple[AddressKind, ...]:
    """What a sender can write to, the kind it prefers first: what its channel says; a linked phone writes to whatever
    the phone does, everybody else to numbers."""
    if isinstance(channel, Reaches):
        return channel.address_kinds
    return (PHONE, LID, GROUP) if family == Family.WHATSAPP and isinstance(channel, LinksPhone) else (PHONE,)


def find(
    session: Session, conversation: Conversation, message: Message, channel: Channel, family: str
) -> tuple[str, str] | None:
    """The address and its kind for this sender, None when the contact has none that it can write to.

    What was written in the portal goes to the number that was named there. An answer goes where the conversation is
    held when that is a group or an id without a number; else to the number that HighLevel names, or the contact's own.
    A number or id that the customer has given up (`number_changes`) is not written to: the new one is theirs.
    """
    reached = reach(channel, family)
    named = message.address if message.address_kind == PHONE else ""
    if len(reached) == 1 or (message.author and named):
        return _or_none(named or contacts.address_of(session, conversation.contact_id, PHONE))
    wanted = select(Address.kind, Address.value).where(
        Address.contact_id == conversation.contact_id, Address.kind.in_(reached)
    )
    known = [(row.kind, row.value) for row in session.execute(wanted.order_by(Address.id.desc()))]
    for kind, value in known:
        if value == conversation.sticky_address and kind != PHONE:
            return _present(session, conversation.location_id, value, known, kind), kind
    own = next(((value, kind) for kind, value in sorted(known, key=lambda each: each[0] != PHONE)), None)
    number = named or (own[0] if own is not None and own[1] == PHONE else "")
    if not number:
        return own
    return _present(session, conversation.location_id, number, known, PHONE), PHONE.value


def _present(session: Session, location_id: int, number: str, known: Sequence[tuple[str, str]], kind: str) -> str:
    """What has taken the place of `number`, among the `known` addresses of its kind; itself when nothing has."""
    own = [value for other, value in known if other == kind]
    since = 0
    while len(own) > 1:
        newer = (
            select(ContactMerge.id, ContactMerge.value)
            # Where two contacts became one, nothing says which address is the newer.
            .where(ContactMerge.location_id == location_id, ContactMerge.undone_at.is_(None))
            .where(ContactMerge.from_id.is_(None))
            .where(ContactMerge.kind == kind, ContactMerge.value.in_(own), ContactMerge.id > since)
            .where(ContactMerge.by_kind == kind, ContactMerge.by_value == number)
            .order_by(ContactMerge.id.desc())
            .limit(1)
        )
        found = session.execute(newer).first()
        if found is None:
            break
        since, number = found  # who changes back has the first one again
    return number


def why_none(session: Session, conversation: Conversation, sender: Sender) -> str:
    """The sentence for a contact that this sender cannot write to."""
    other = select(Address.id).where(
        Address.contact_id == conversation.contact_id, Address.kind.in_((LID, GROUP, BSUID))
    )
    if session.scalar(other.limit(1)) is None:
        return NO_ADDRESS
    return (
        f"{sender.name} writes to phone numbers only, and this is a WhatsApp group or somebody whose number WhatsApp "
        "does not tell: answer through the WhatsApp line they wrote to, or add a phone number in HighLevel."
    )


def _or_none(number: str | None) -> tuple[str, str] | None:
    return (number, PHONE.value) if number else None
