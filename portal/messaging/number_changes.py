"""A customer has another number now, says WhatsApp: on record like any address that was learnt, and undone like one.

The contact keeps both numbers. What is written to the old one goes to the new one: it is theirs no more, and may be a
stranger's soon. Two contacts are never put together for it: whoever has the number already may be somebody else. With
the number Meta's own id of them changes, and of who tells no number the id alone is known: the same holds for it.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.base import Inbound
from portal.channels.content import AddressKind, Kind, Peer
from portal.messaging import merging, numbers
from portal.messaging.storable import storable
from portal.models import Address, Sender

CHANGED, ID_CHANGED = "number_changed", "id_changed"
PHONE, BSUID = AddressKind.PHONE, AddressKind.BSUID


def learn(session: Session, sender: Sender, chat: Peer, said: Inbound, event_id: int | None) -> None:
    """The new number and the new id become the contact's too, unless another contact has them."""
    for new in (_new_id(said), _new(sender, said)):
        if new is None or (new.kind, new.value) == (chat.kind, chat.value):
            continue
        mine, holder = (_holder(session, sender.location_id, each) for each in (chat, new))
        if holder in (None, mine):
            merging.learn(session, sender, chat, [new], event_id)
            if holder is not None:
                merging.went_back(session, sender, chat, new, event_id)


def present(session: Session, sender: Sender, chat: Peer, said: Inbound) -> Peer:
    """Where the chat is held from now on: under the new id, where it was held under the one that is no more."""
    new = _new_id(said) if chat.kind is BSUID else None
    if new is None or _holder(session, sender.location_id, new) != _holder(session, sender.location_id, chat):
        return chat
    return new


def told(session: Session, sender: Sender, said: Inbound, contact_id: int) -> Mapping[str, Any]:
    """The details of the message that tells of it: `held`, when another contact has the number."""
    new = _new(sender, said)
    if new is None:
        return said.details
    holder = _holder(session, sender.location_id, new)
    return {**said.details, "number": new.value, "held": holder is not None and holder != contact_id}


def _new(sender: Sender, said: Inbound) -> Peer | None:
    if said.kind is not Kind.SYSTEM or said.details.get("type") != CHANGED or said.from_us:
        return None
    number = numbers.normalise(str(said.details.get("number") or ""), sender.location.country or None)
    return Peer(PHONE, number.e164, said.name) if isinstance(number, numbers.Number) else None


def _new_id(said: Inbound) -> Peer | None:
    if said.kind is not Kind.SYSTEM or said.details.get("type") not in (CHANGED, ID_CHANGED) or said.from_us:
        return None
    found = storable(str(said.details.get("bsuid") or ""), 160)
    return Peer(BSUID, found, said.name) if found else None


def _holder(session: Session, location_id: int, peer: Peer) -> int | None:
    same = Address.location_id == location_id, Address.kind == peer.kind, Address.value == peer.value
    return session.scalar(select(Address.contact_id).where(*same))
