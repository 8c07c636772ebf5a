"""A message that a customer wrote, as our `Inbound`. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Inbound
from portal.channels.content import AddressKind, Peer
from portal.channels.values import block, blocks, identifier, moment, text
from portal.channels.whatsapp_cloud import addresses, kinds
from portal.channels.whatsapp_cloud.kinds import Read

Data = Mapping[str, Any]


def received(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """The message, under the number where Meta tells one, else under its own id of the person."""
    if said.get("type") == "system":
        return [inbound(said, value, _before(said))]
    card = contact(value, said.get("from"), said.get("from_user_id"))
    told = (said.get("from"), said.get("from_user_id")), (card.get("wa_id"), card.get("user_id"))
    return [inbound(said, value, addresses.person(*told), name=called(card))]


def _before(said: Data) -> list[Peer]:
    """Who somebody was before they changed their number, and with it their id; the chat is held under that.

    Where the id is all that is known of them, the new one follows: Meta tells that both are one person's.
    """
    own = block(said.get("system"))
    people = addresses.person((said.get("from"), own.get("previous_user_id")), (None, said.get("from_user_id")))
    new = addresses.bsuid(own.get("user_id")) or addresses.bsuid(said.get("from_user_id"))
    alone = len(people) == 1 and people[0].kind is AddressKind.BSUID and people[0].value != new
    return [*people, Peer(AddressKind.BSUID, new)] if alone and new else people


def inbound(said: Data, value: Data, people: Sequence[Peer], *, name: str = "", from_us: bool = False) -> Inbound:
    """The message of a chat. `people` are the customer's addresses, the chat's own first. Raises `ChannelError`."""
    group = addresses.group(said.get("group_id"))
    if not group and not people:
        raise ChannelError("The message names nobody who wrote it.", code="unreadable")
    if not text(said.get("type")):
        raise ChannelError("The message names no type.", code="unreadable")
    read: Read = kinds.read(said)
    author = Peer(people[0].kind, people[0].value, name) if group and people and not from_us else None
    return Inbound(
        group or people[0].value,
        read.text,
        external_id=identifier(said.get("id")),
        recipient=line(value),
        files=read.files,
        at=moment(said.get("timestamp")),
        kind=read.kind,
        sender_kind=AddressKind.GROUP if group else people[0].kind,
        name="" if group else name,
        author=author,
        same_as=() if group else tuple(people[1:]),
        about=read.about,
        details=read.details,
        from_us=from_us,
        code=read.code,
    )


def line(value: Data) -> str:
    """Our own number, E.164."""
    return addresses.phone(block(value.get("metadata")).get("display_phone_number"))


def contact(value: Data, number: object, user: object) -> Data:
    """The card of a person among the `contacts` of a request, which may hold those of several.

    A card that says nothing of whose it is counts only where it is the only one.
    """
    cards = blocks(value.get("contacts"))
    wanted = ((addresses.phone(number), "wa_id", addresses.phone), (addresses.bsuid(user), "user_id", addresses.bsuid))
    for known, name, read in wanted:
        for card in cards:
            if known and read(card.get(name)) == known:
                return card
    bare = len(cards) == 1 and not cards[0].get("wa_id") and not cards[0].get("user_id")
    return cards[0] if bare else {}


def called(card: Data) -> str:
    """The name that a person gives themselves, else their user name."""
    profile = block(card.get("profile"))
    return addresses.name(profile.get("name")) or addresses.name(profile.get("username"))
