"""A person's answer in a conversation: what can go out to it now, what it costs, and its way to a draft."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.base import Channel, Family
from portal.channels.capabilities import HasTemplates, limits_of
from portal.channels.content import Content, Kind, Limits, Relation
from portal.credits import pricing
from portal.errors import InvalidInput
from portal.messaging import addressing, contacts, parts, plain_letters, segments, windows
from portal.messaging.composing import Draft
from portal.messaging.plain_letters import Offer
from portal.messaging.uploads import Arrived, Upload
from portal.models import Conversation, Message, Sender, SenderState, ServiceWindow


@dataclass(frozen=True, slots=True)
class Way:
    """How one sender reaches a conversation. `fault`: why it cannot; `closed`: why only a template goes out; `until`:
    when the customer's window closes, None where it has none or nobody knows. `templates`: it has such."""

    sender: Sender
    channel: Channel
    address: str = ""
    fault: str = ""
    closed: str = ""
    until: datetime | None = None
    templates: bool = False

    @property
    def limits(self) -> Limits:
        """What the sender's channel takes of files."""
        return limits_of(self.channel)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a text costs through a sender. `units` are characters as SMS counts them, 0 in other families."""

    characters: int
    credits: int
    segments: int = 0
    units: int = 0
    gsm7: bool = True
    offer: Offer | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody typed. `about` is the uuid of the message that the reply follows, "" where there is none that has
    a sender; `quotes` whether it is quoted. `key` is the form's own; `plain`: in plain letters where that saves."""

    text: str
    about: str
    quotes: bool
    key: str
    plain: bool = False


def way(session: Session, conversation: Conversation, sender: Sender, about: Message | None) -> Way:
    """How the sender reaches the conversation's contact now, by the same rules as the message will be judged.

    `about` is the message that the reply follows: it goes to that one's number.
    """
    channel = registry.get(sender.channel)
    if about is None:
        number = contacts.address_of(session, conversation.contact_id, contacts.PHONE) or ""
    else:
        number = about.address if about.address_kind == contacts.PHONE else ""
    probe = Message(kind=Kind.TEXT, author="somebody", address=number, address_kind=contacts.PHONE)
    found = addressing.find(session, conversation, probe, channel, sender.family)
    templates = isinstance(channel, HasTemplates)
    if found is None:
        return Way(sender, channel, fault=addressing.why_none(session, conversation, sender), templates=templates)
    closed = windows.why_closed(session, probe, sender, *found)
    same = ServiceWindow.kind == found[1], ServiceWindow.value == found[0]
    until = select(ServiceWindow.closes_at).where(ServiceWindow.sender_id == sender.id, *same)
    known = session.scalar(until) if sender.windowed and not closed else None
    return Way(sender, channel, found[0], "", closed, known, templates)


def cost(sender: Sender, text: str, *, plain: bool = False) -> Cost:
    """What the text costs through this sender, files left out."""
    offer = plain_letters.offer(text, sender.family) if sender.family == Family.SMS else None
    sent = offer.text if offer is not None and plain and offer.saves else text
    pieces = parts.cut(registry.get(sender.channel), sender.family, sent, ())
    credits = sum(pricing.price(sender.family, each.kind, each.segments) for each in pieces)
    if sender.family != Family.SMS:
        return Cost(len(sent), credits if sent else 0)
    split = segments.split(sent)
    counted = sum(each.segments for each in pieces)
    gsm7 = split.encoding is segments.Encoding.GSM7
    return Cost(len(sent), credits, counted, split.units, gsm7, offer if offer is not None and offer.saves else None)


def draft(
    way_: Way, reply: Reply, by: str, key: str, files: Sequence[Upload] = (), content: Content | None = None
) -> Draft:
    """The reply as a draft. What follows no message goes to the contact's number."""
    to = () if reply.about else (way_.address,)
    relation = Relation.REPLY if reply.quotes and reply.about and content is None else None
    text = "" if content is not None else reply.text
    return Draft(
        to,
        text,
        by,
        [each.address for each in files],
        way_.sender.id,
        key=key,
        content=content,
        about=reply.about,
        relation=relation,
        gsm7=reply.plain,
        uploads=files,
    )


def draft_key(conversation_id: int, reply: Reply, sender_id: int, files: Sequence[Arrived]) -> str:
    """One form that is sent twice is one message; filled in anew, after going back to it, it is another one."""
    digests = [each.found.sha256 for each in files]
    told = repr((reply.key, reply.text, reply.about, reply.quotes, reply.plain, sender_id, digests))
    return f"reply:{conversation_id}:{hashlib.sha256(told.encode()).hexdigest()}"


def check(way_: Way, reply: Reply, files: int) -> None:
    """Raises `InvalidInput` for what cannot go out now, before anything is kept."""
    if way_.sender.state == SenderState.REMOVED:
        raise InvalidInput("This sender was removed: choose another one.")
    if not reply.text.strip() and not files:
        raise InvalidInput("The message is empty: write a text or attach a file.")
    if way_.fault or way_.closed:
        raise InvalidInput(way_.fault or way_.closed)
