"""What went out from a sender's line without us: typed on the phone, or by another program through the provider's API.

It is shown and logged in HighLevel, never sent and never charged. Whether the API's report is about a message of our
own is told by ids alone; while an id is still to come the report waits, and where none will come a person decides.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Inbound
from portal.channels.content import Kind, Peer
from portal.database import insert
from portal.errors import PortalError
from portal.messaging.chats import PERSONAL, also, peer_of
from portal.messaging.receipts import lock_part, match_early_receipts
from portal.messaging.statuses import RESTORED
from portal.messaging.storable import storable
from portal.models import Address, Event, Message, Part, Sender, Status, StatusChange

# The line's own clock and our poll that notices the link: what came so shortly before the link is no history.
GRACE = timedelta(minutes=5)
# A chat may be reported under an id whose number is not told. It may be ours if we called the provider around then.
AROUND = timedelta(minutes=15)
# GREEN-API keeps what it was given for 24 hours until the phone can send it: what goes out later is not that.
LONGEST_QUEUE = timedelta(hours=25)
TYPED = "It was typed on the linked phone."
ANOTHER = "Another program sent it through the provider's API."
_IN_DOUBT = (Status.SENDING, Status.UNKNOWN)


class EchoUnresolved(PortalError):
    """We may be told of a message that is our own: wait until the outcome of our call is known."""


def is_history(sender: Sender, at: datetime | None, received_at: datetime) -> bool:
    """Is it older than the link of the phone that it came over? Then it is kept, but no news.

    A line in which no phone was linked when it was last asked tells of it because one is linked by now. One that could
    not be asked yet counts from when it was added.
    """
    since = sender.line_unlinked_at or sender.line_since or (sender.created_at if sender.line_state else None)
    # What we heard before that came over an earlier link, and is applied late.
    return since is not None and at is not None and at < since - GRACE <= received_at


def reason(said: Inbound) -> str:
    """Why there is a message that we did not send."""
    return ANOTHER if said.by_api else TYPED


def ours(session: Session, sender: Sender, said: Inbound, event: Event) -> str:
    """What the report comes to when it is, or may be, about a message that we know; "" when it is about a new one.

    Raises `EchoUnresolved` while a call of ours to that chat is about.
    """
    external_id = storable(said.external_id, 200)
    known = select(Part).where(Part.sender_id == sender.id, Part.external_id == external_id)
    part = session.scalar(known) if external_id else None
    doubtful: Sequence[Part] = ()
    if part is None and said.by_api:
        doubtful = _in_doubt(session, sender, said, event)
        # Once more: a call that ended between the two questions has written its id by now.
        part = session.scalar(known) if external_id else None
    if part is not None:
        mirrored = part.message.from_us
        if mirrored and said.kind is Kind.CALL:
            return ""  # the next that is heard of the call
        return "repeat of a known message" if mirrored else f"it is our own message {part.message.uuid}"
    if any(each.status == Status.SENDING for each in doubtful):
        raise EchoUnresolved("A message to this chat is just being handed to the provider.")
    for each in doubtful:
        _note(session, sender, each, said, external_id, event)
    uuids = ", ".join(sorted({each.message.uuid for each in doubtful}))
    return f"kept with message {uuids}, which it may be: a person decides" if doubtful else ""


def _in_doubt(session: Session, sender: Sender, said: Inbound, event: Event) -> Sequence[Part]:
    """Parts of ours to that chat whose provider's id is not known, because the outcome of the call is not."""
    wanted = (
        select(Part)
        .join(Message, Message.id == Part.message_id)
        # Without an id: this is what the index on (sender, id) finds.
        .where(Part.sender_id == sender.id, Part.external_id.is_(None), Part.status.in_(_IN_DOUBT))
        .where(_same_chat(session, sender, said, event), _not_over(said.at, event))
        .order_by(Part.id)
    )
    return session.scalars(wanted).all()


def _not_over(said_at: datetime | None, event: Event) -> ColumnElement[bool]:
    """What went out then may be this part. Of a restored one nobody knows when it was handed over."""
    at = min(said_at or event.received_at, event.received_at)
    return or_(Part.sending_at.is_(None), Part.code == RESTORED, Part.sending_at > at - LONGEST_QUEUE)


def _same_chat(session: Session, sender: Sender, said: Inbound, event: Event) -> ColumnElement[bool]:
    chat = peer_of(sender, Peer(said.sender_kind, said.sender))
    peers = [chat, *also(sender, said, chat)]
    one = select(Address.contact_id).where(
        Address.location_id == sender.location_id, Address.kind == chat.kind, Address.value == chat.value
    )
    addresses = select(Address.kind, Address.value).where(Address.contact_id == one.scalar_subquery())
    known = {(each.kind.value, each.value) for each in peers} | {
        (row.kind, row.value) for row in session.execute(addresses)
    }
    same = Message.address.in_([value for _, value in known])
    others = {each.value for each in PERSONAL} - {kind for kind, _ in known} - {chat.kind.value}
    if chat.kind not in PERSONAL or not others:
        return same
    at = said.at or event.received_at
    around = Part.sending_at.between(at - AROUND, at + AROUND)
    return or_(same, and_(Message.address_kind.in_(others), around))


def _note(session: Session, sender: Sender, part: Part, said: Inbound, external_id: str, event: Event) -> None:
    """The report as evidence in the message's history: it moves nothing."""
    channel = registry.get(sender.channel)
    there = select(StatusChange.id).where(
        StatusChange.message_id == part.message_id,
        StatusChange.part_id == part.id,
        StatusChange.who == channel.name,
        StatusChange.code == external_id[:64],
    )
    if session.scalar(there.limit(1)) is not None:
        return
    same = "yes" if said.text.strip() == part.body.strip() else "no"
    detail = f"{channel.name} reports a message to this chat: id {external_id or 'none'}, same text: {same}."
    session.add(
        StatusChange(
            message_id=part.message_id,
            part_id=part.id,
            before=part.status,
            after=part.status,
            who=channel.name,
            code=external_id[:64],
            detail=f"{detail} Webhook {event.id}.",
            at=clock.now(),
        )
    )


def put_part(session: Session, sender: Sender, message: Message, said: Inbound) -> None:
    """Gives a mirrored message its one part, so that receipts find it; those that were quicker count now."""
    moment = clock.now()
    who = registry.get(sender.channel).name
    session.add(
        StatusChange(message_id=message.id, before="", after=Status.SENT, who=who, detail=reason(said), at=moment)
    )
    values = {
        "message_id": message.id,
        "number": 1,
        "body": message.body,
        "attachments": list(message.attachments),
        "status": Status.SENT,
        "sender_id": sender.id,
        "external_id": message.external_id,
        "accepted_at": message.provider_at,
        "price": 0,
    }
    part_id = session.scalar(insert(session, Part).values(**values).on_conflict_do_nothing().returning(Part.id))
    if part_id is not None and message.external_id:
        match_early_receipts(session, lock_part(session, message.id, part_id), f"{sender.channel} receipt")
