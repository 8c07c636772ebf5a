"""A customer has another number now, says WhatsApp: on record like any address that was learnt, and undone like one.

The contact keeps both numbers. What is written to the old one goes to the new one: it is theirs no more, and may be a
stranger's soon. Two contacts are never put together for it: whoever has the number already may be somebody else.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.base import Inbound
from portal.channels.content import AddressKind, Kind, Peer
from portal.messaging import merging, numbers, windows
from portal.models import Address, Sender

CHANGED = "number_changed"
PHONE = AddressKind.PHONE


def learn(session: Session, sender: Sender, chat: Peer, said: Inbound, event_id: int | None) -> None:
    """The new number becomes one more of the contact's, unless another contact has it."""
    new = _new(sender, said)
    if new is None or new.value == chat.value:
        return
    holder = _holder(session, sender.location_id, new.value)
    if holder is None or holder == _holder(session, sender.location_id, chat.value, chat.kind):
        merging.learn(session, sender, chat, [new], event_id)
        windows.share(session, sender, (chat.kind.value, chat.value), (PHONE.value, new.value))


def told(session: Session, sender: Sender, said: Inbound, contact_id: int) -> Mapping[str, Any]:
    """The details of the message that tells of it: `held`, when another contact has the number."""
    new = _new(sender, said)
    if new is None:
        return said.details
    holder = _holder(session, sender.location_id, new.value)
    return {**said.details, "number": new.value, "held": holder is not None and holder != contact_id}


def _new(sender: Sender, said: Inbound) -> Peer | None:
    if said.kind is not Kind.SYSTEM or said.details.get("type") != CHANGED or said.from_us:
        return None
    number = numbers.normalise(str(said.details.get("number") or ""), sender.location.country or None)
    return Peer(PHONE, number.e164, said.name) if isinstance(number, numbers.Number) else None


def _holder(session: Session, location_id: int, value: str, kind: str = PHONE) -> int | None:
    same = Address.location_id == location_id, Address.kind == kind, Address.value == value
    return session.scalar(select(Address.contact_id).where(*same))
