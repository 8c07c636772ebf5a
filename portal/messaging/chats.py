"""Which chat an event belongs to: its address, its contact, its conversation."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.channels.base import Inbound
from portal.channels.content import AddressKind, Peer
from portal.messaging import contacts, merging, number_changes, numbers
from portal.messaging.storable import storable
from portal.models import Conversation, Event, Sender

# Ids of one person. A name or a short code is many people's, and a group is nobody's.
PERSONAL = (AddressKind.PHONE, AddressKind.LID, AddressKind.BSUID)


@dataclass(frozen=True, slots=True)
class Chat:
    """An address and the conversation over it, its row locked."""

    kind: AddressKind
    address: str
    conversation: Conversation


def open_chat(session: Session, sender: Sender, said: Inbound, event: Event) -> Chat:
    """The chat of a message; further addresses of the person that it tells are learnt on the way."""
    chat = peer_of(sender, Peer(said.sender_kind, said.sender, said.name))
    if chat.kind in PERSONAL:
        merging.learn(session, sender, chat, also(sender, said, chat), event.id)
        number_changes.learn(session, sender, chat, said, event.id)
    found = contacts.at_address(session, sender.location_id, chat.kind, chat.value, chat.name)
    return Chat(chat.kind, chat.value, found)


def also(sender: Sender, said: Inbound, chat: Peer) -> list[Peer]:
    """The person's other addresses."""
    found = [peer_of(sender, each) for each in said.same_as if each.value.strip()]
    return [each for each in found if each.kind in PERSONAL and (each.kind, each.value) != (chat.kind, chat.value)]


def peer_of(sender: Sender, peer: Peer) -> Peer:
    """The address as it is kept: a number as E.164, everything else as it is."""
    raw, name = storable(peer.value), storable(peer.name, 200)
    if peer.kind in (AddressKind.LID, AddressKind.BSUID, AddressKind.GROUP):
        return Peer(peer.kind, raw.strip()[:160] or "unknown", name)
    number = numbers.normalise(raw, sender.location.country or None)
    if isinstance(number, numbers.Number):
        return Peer(AddressKind.PHONE, number.e164, name)
    digits = raw.strip().removeprefix("+")
    if raw.strip().startswith("+") and digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15:
        return Peer(AddressKind.PHONE, f"+{digits}", name)
    # Banks and one-time codes write from names and short codes; they cannot be answered, but must be seen.
    return Peer(AddressKind.SENDER_ID, " ".join(raw.split())[:160] or "unknown", name)
