"""Messages that are written in the portal: judged at once, kept as events, and put on their way like any other.

HighLevel does not know of them: what the provider has accepted is logged there afterwards, once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.content import Content, Kind, Relation
from portal.crypto import Vault
from portal.database import Database
from portal.errors import InvalidInput
from portal.journal.entry import Entry
from portal.journal.writer import Journal
from portal.messaging import answering, bulk, contacts, kinds, numbers, template_sending, template_texts, uploads
from portal.messaging.advice import Advice
from portal.messaging.country_rules import Caution
from portal.messaging.outbound import Request, queue_message
from portal.messaging.plain_letters import Offer
from portal.messaging.quoting import Quoted
from portal.messaging.storable import storable, storable_details
from portal.messaging.uploads import Upload
from portal.models import Contact, Conversation, Event, Location, Message, Sender, SenderState
from portal.models.base import new_uuid

SOURCE = "portal"
LONGEST = 10_000
# A template that is nothing but a text may have that many; what it says is not typed, and has limits of its own.
LONGEST_TEMPLATE = template_texts.MOST_BODY_ALONE
MOST_RECIPIENTS = 10_000
MOST_ATTACHMENTS = 10
FURTHEST = timedelta(days=365)
# Recipients of one event: they are applied in one transaction.
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants sent. `to` are numbers as a person writes them, `sender_id` None leaves it to the routing.

    `key` makes a repetition of the same draft harmless; `by` says who wrote it. `content` is what it is besides a text.
    `about` is the uuid of a message of the sub-account: it goes to the conversation of that one, through its sender,
    and `to` is empty. `relation` is REPLY where it quotes that message; a reaction is always to it. `gsm7`: its writer
    has chosen to send it in plain letters where that saves parts (`plain_letters`); the text as written is kept.
    `ttl_seconds`: how long it may wait, the sub-account's own time where None. `callback_id`: who is told of it
    (`portal.callbacks`). `is_bulk`: a bulk of its own, also with one recipient. `at_once`: recipients that one
    call to the provider may have at most, where it takes several.
    `uploads` are those of the `attachments` that came with it and are kept already; it then has one recipient.
    """

    to: Sequence[str]
    text: str
    by: str
    attachments: Sequence[str] = ()
    sender_id: int | None = None
    scheduled_at: datetime | None = None
    key: str = ""
    content: Content | None = None
    about: str = ""
    relation: Relation | None = None
    gsm7: bool = False
    ttl_seconds: int | None = None
    callback_id: int | None = None
    is_bulk: bool = False
    uploads: Sequence[Upload] = ()
    at_once: int = AT_ONCE


@dataclass(frozen=True, slots=True)
class Taken:
    """One recipient: the number and the id of the message to it, or the reason why there is none.

    `cautions` keep nothing back: what the recipient's country does to such messages.
    """

    to: str
    number: str = ""
    message: str = ""
    code: str = ""
    reason: str = ""
    cautions: Sequence[Caution] = ()


class _Kept(msgspec.Struct):
    """A draft as its event's body keeps it; `to` are pairs of message id and E.164 number."""

    text: str
    to: list[tuple[str, str]]
    by: str
    attachments: list[str] = []
    sender_id: int | None = None
    scheduled_at: datetime | None = None
    bulk: str = ""
    kind: str = ""
    details: dict[str, Any] = {}
    about: str = ""
    relation: str = ""
    written: str | None = None
    ttl_seconds: int | None = None
    callback_id: int | None = None
    uploads: list[Upload] = []


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft that was judged: what becomes of each recipient, and the events that make it so once they are kept.

    `bulk` is what its messages share, "" where they share nothing. `draft` is the draft with all that follows from it.
    """

    draft: Draft
    taken: list[Taken]
    entries: list[Entry]
    bulk: str


@dataclass(frozen=True, slots=True)
class _Looked:
    """A draft with all that follows from it. `written` is its text as it was, where it goes out in another one."""

    draft: Draft
    target: Message | None
    advice: Advice
    written: str | None


def compose(database: Database, journal: Journal, location: Location, draft: Draft) -> list[Taken]:
    """Takes a draft: when this returns, every message that was taken is on disk.

    Raises `InvalidInput` when the draft itself makes no sense; a bad number only costs that recipient.
    """
    prepared = prepare(database, location, draft)
    for entry in prepared.entries:
        journal.append(entry)
    return prepared.taken


def prepare(database: Database, location: Location, draft: Draft) -> Prepared:
    """Judges a draft and keeps nothing: its events are the caller's to write. Raises like `compose`."""
    looked = _look(database, location, draft)
    draft = looked.draft
    key = draft.key or new_uuid()
    taken = _taken(location, looked, key)
    good = [(each.message, each.number) for each in taken if each.message]
    bulk_id = str(_id(location, key, "")) if len(good) > 1 or draft.is_bulk else ""
    entries = []
    step = max(1, min(draft.at_once, AT_ONCE))
    for place in range(0, len(good), step):
        kept = _Kept(
            storable(draft.text, _longest(draft)),
            good[place : place + step],
            storable(draft.by, 128),
            [storable(each, 2000) for each in draft.attachments],
            draft.sender_id,
            draft.scheduled_at,
            bulk_id,
            draft.content.kind.value if draft.content else "",
            storable_details(draft.content.details) if draft.content else {},
            draft.about,
            draft.relation or "",
            storable(looked.written, LONGEST) if looked.written is not None else None,
            draft.ttl_seconds,
            draft.callback_id,
            list(draft.uploads),
        )
        dedupe = f"{SOURCE}:{location.id}:{key}:{place}"
        lane = f"{SOURCE}:{location.ghl_id}"
        entries.append(Entry(SOURCE, lane, msgspec.json.encode(kept), action="send", dedupe_key=dedupe))
    return Prepared(draft, taken, entries, bulk_id)


def preview(database: Database, location: Location, draft: Draft) -> tuple[list[Taken], Offer | None]:
    """What would become of a draft, and what plain letters would save (None where no SMS goes out). Nothing is sent."""
    looked = _look(database, location, draft)
    offer = looked.advice.offer(looked.written or looked.draft.text, draft.attachments, looked.draft.content)
    return _taken(location, looked, draft.key or new_uuid()), offer


def _look(database: Database, location: Location, draft: Draft) -> _Looked:
    with database.read() as session:
        target = answering.target_of(session, location, draft.about) if draft.about else None
        draft = _settled(session, location, draft, target)
        advice = Advice.of(session, location.id, draft.sender_id)
    offer = advice.offer(draft.text, draft.attachments, draft.content) if draft.gsm7 else None
    if offer is None or not offer.saves or len(offer.text) > LONGEST:
        return _Looked(draft, target, advice, None)
    return _Looked(replace(draft, text=offer.text), target, advice, draft.text)


def _taken(location: Location, looked: _Looked, key: str) -> list[Taken]:
    if looked.target is not None:
        return [_answered(location, looked.target, key)]
    return list(_judge(location, looked, key))


def _settled(session: Session, location: Location, draft: Draft, target: Message | None) -> Draft:
    """The draft with all that follows from it: its sender, and the words of its template."""
    if draft.content is not None and draft.content.kind is Kind.REACTION:
        draft = replace(draft, relation=Relation.REACTION)
    if target is not None:
        draft = replace(draft, sender_id=answering.sender_of(session, target, draft.sender_id, draft.relation))
    elif draft.relation is not None:
        raise InvalidInput("An answer or a reaction needs the message that it is to.")
    if draft.content is not None and draft.content.kind is Kind.TEMPLATE:
        name, language = (str(draft.content.details.get(word) or "") for word in ("name", "language"))
        wanted = draft.sender_id or template_sending.holder(session, location.id, name, language).id
        sender = answering.own_sender(session, location.id, wanted)
        content, text = template_sending.settled(session, sender, draft.content)
        draft = replace(draft, content=content, text=text, sender_id=sender.id)
    _check(session, location, draft, target)
    return draft


def _check(session: Session, location: Location, draft: Draft, target: Message | None) -> None:
    if draft.content is not None:
        kinds.check(draft.content, draft.text, draft.attachments)
    elif not draft.text.strip() and not draft.attachments:
        raise InvalidInput("The message is empty: write a text or attach a file.")
    if len(draft.text) > _longest(draft):
        raise InvalidInput(f"The message is longer than {_longest(draft)} characters: shorten it.")
    if len(draft.attachments) > MOST_ATTACHMENTS:
        raise InvalidInput(f"A message takes at most {MOST_ATTACHMENTS} attachments.")
    if target is not None and draft.to:
        raise InvalidInput("An answer goes to its own conversation: leave the recipients out.")
    if target is None and not 1 <= len(draft.to) <= MOST_RECIPIENTS:
        raise InvalidInput(f"Name 1 to {MOST_RECIPIENTS} recipients.")
    if len(draft.key) > 200:
        raise InvalidInput("The idempotency key is longer than 200 characters.")
    if draft.scheduled_at is not None:
        _check_time(draft.scheduled_at)
    _check_senders(session, location, draft)


def _longest(draft: Draft) -> int:
    is_template = draft.content is not None and draft.content.kind is Kind.TEMPLATE
    return LONGEST_TEMPLATE if is_template else LONGEST


def _check_senders(session: Session, location: Location, draft: Draft) -> None:
    """Nothing is queued that no sender in question could send: which one it is may be the routing's choice."""
    own = select(Sender).where(Sender.location_id == location.id, Sender.state != SenderState.REMOVED)
    if draft.sender_id is not None:
        own = own.where(Sender.id == draft.sender_id)
    found = session.scalars(own.order_by(Sender.position, Sender.id)).all()
    if draft.sender_id is not None and not found:
        raise InvalidInput(f"There is no sender {draft.sender_id} in this sub-account.")
    kind = draft.content.kind if draft.content else Kind.TEXT
    details = draft.content.details if draft.content else {}
    unfit = [kinds.unfit(registry.get(each.channel), each.name, kind, draft.text, details) for each in found]
    if unfit and all(unfit):
        raise InvalidInput(unfit[0])


def _check_time(at: datetime) -> None:
    if at.tzinfo is None:
        raise InvalidInput("The time needs its zone: for example 2026-12-01T09:00:00+08:00.")
    if at > clock.now() + FURTHEST:
        raise InvalidInput("The time is more than a year away.")
    if at < clock.now() - timedelta(minutes=5):
        raise InvalidInput("The time is over.")


def _judge(location: Location, looked: _Looked, key: str) -> Iterator[Taken]:
    seen: set[str] = set()
    draft = looked.draft
    cautions = cache(partial(looked.advice.cautions, text=draft.text, at=draft.scheduled_at))
    for text in draft.to:
        number = numbers.normalise(text, location.country or None)
        if isinstance(number, numbers.Rejection):
            yield Taken(text, code=number.reason.value, reason=number.sentence)
        elif number.e164 in seen:
            yield Taken(text, number.e164, code="duplicate", reason="This number stands in the list already.")
        else:
            seen.add(number.e164)
            uuid = str(_id(location, key, number.e164))
            yield Taken(text, number.e164, uuid, cautions=cautions(number.country))


def _answered(location: Location, target: Message, key: str) -> Taken:
    number = target.address if target.address_kind == contacts.PHONE else ""
    return Taken(target.address, number, str(_id(location, key, f"about:{target.uuid}")))


def _id(location: Location, key: str, number: str) -> UUID:
    """The same for a repetition under the same key, so that it names the same messages."""
    return uuid5(NAMESPACE_URL, f"sendero:{location.id}:{key}:{number}")


def taken(session: Session, location: Location, key: str) -> tuple[Event, str] | None:
    """The event of a draft to one recipient that was taken under this key, and the id that its message has or will
    have; None when there is none."""
    event = session.scalar(select(Event).where(Event.dedupe_key == f"{SOURCE}:{location.id}:{key}:0"))
    if event is None or event.body is None:
        return None
    kept = msgspec.json.decode(event.body, type=_Kept)
    return event, kept.to[0][0]


def apply(session: Session, vault: Vault, event: Event) -> str:
    """Queues the messages of one event; a message that is there already is left as it is."""
    kept = msgspec.json.decode(event.body or b"", type=_Kept)
    location = _location(session, event)
    there = set(session.scalars(select(Message.uuid).where(Message.uuid.in_([uuid for uuid, _ in kept.to]))))
    # In the order of the numbers: two events that took the same contacts crosswise would block each other.
    wanted = sorted((each for each in kept.to if each[0] not in there), key=lambda each: each[1])
    target = answering.target_of(session, location, kept.about) if kept.about else None
    people = [_contact(session, location, number, target) for _, number in wanted]
    for contact in people:
        # All conversations are locked before the first message takes the wallet: the lock order everywhere.
        contacts.conversation(session, location.id, contact.id)
    quotes = answering.quoted(session, location.id, kept.about, kept.relation) if kept.relation else None
    queued = [
        queue_message(session, location, _request(kept, event, uuid, number, contact, quotes))
        for (uuid, number), contact in zip(wanted, people, strict=True)
    ]
    for message in queued:
        uploads.attach(session, message, kept.uploads)
    if kept.bulk:
        bulk.plan(session, vault, queued)
    return f"{len(kept.to)} messages"


def _request(kept: _Kept, event: Event, uuid: str, number: str, contact: Contact, quotes: Quoted | None) -> Request:
    return Request(
        contact=contact,
        phone=number,
        body=kept.text,
        position=event.id,
        received_at=event.received_at,
        attachments=kept.attachments,
        event_id=event.id,
        named_sender_id=kept.sender_id,
        scheduled_at=kept.scheduled_at,
        uuid=uuid,
        author=kept.by,
        bulk=kept.bulk,
        content=kinds.content_of(kept.kind, kept.details),
        quotes=quotes,
        written=kept.written,
        ttl_seconds=kept.ttl_seconds,
        callback_id=kept.callback_id,
    )


def _contact(session: Session, location: Location, number: str, target: Message | None) -> Contact:
    """Whose conversation is answered; else who was last talked to under this number, where several contacts have it."""
    if target is not None:
        return session.get_one(Contact, session.get_one(Conversation, target.conversation_id).contact_id)
    contact, conversation_id = contacts.for_address(session, location.id, contacts.PHONE, number)
    if conversation_id is None:
        return contact
    return session.get_one(Contact, session.get_one(Conversation, conversation_id).contact_id)


def _location(session: Session, event: Event) -> Location:
    ghl_id = event.lane.removeprefix(f"{SOURCE}:")
    return session.scalars(select(Location).where(Location.ghl_id == ghl_id)).one()
