"""Opt-outs: who must not be written to, by what evidence, and how it was lifted again.

An opt-out is for one location and one family of channels. It is added once for each source, never deleted, and what
waits for the contact ends with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.callbacks import outbox
from portal.channels import registry
from portal.channels.base import Preference
from portal.channels.content import AddressKind, Kind, Peer
from portal.messaging import dnd
from portal.messaging.opt_out_words import Said, words_of
from portal.messaging.silence import MARKETING, of_person, why, why_no_marketing
from portal.models import Address, Conversation, Direction, Event, Location, Message, OptOut, Origin, Sender, Status
from portal.queue.jobs import SEND, enqueue, job

WROTE = "the contact wrote"
# The code of a message that an opt-out has stopped.
CODE = "opted_out"
KIND = "silence"
# Meta's error 131050: the recipient has stopped marketing messages from this business.
MARKETING_CODES = ("131050",)
# What a person writes of their own: a caption, a vote or a call is none of it.
_SPOKEN = (Kind.TEXT, Kind.LINK, Kind.TAP, Kind.EDIT)
_RECOGNISED = {"STOP": Said.STOP, "START": Said.START}
# Addresses of one person, which can be answered.
_PERSONAL = (AddressKind.PHONE, AddressKind.LID, AddressKind.BSUID)
# In these a message, or a part of it, may still go out.
_OPEN = (Status.QUEUED, Status.HELD, Status.SENDING, Status.UNKNOWN, Status.ACCEPTED, Status.SENT)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an opt-out rests on; see `portal.models.OptOut`."""

    origin: Origin = Origin.PERSON
    contact_id: int | None = None
    message_id: int | None = None
    words: str = ""
    code: str = ""
    detail: str = ""
    by: str = ""
    since: datetime | None = None


def notice(session: Session, location: Location, message: Message, contact_id: int, address_kind: str) -> None:
    """Records an opt-out, or lifts it, when an inbound message is such a word as a whole. Never in a group."""
    spoken = message.direction == Direction.IN and message.kind in _SPOKEN and not message.attachments
    if not spoken or address_kind not in _PERSONAL:
        return
    wrote = message.body or str((message.details or {}).get("text") or "")  # of a button
    said = words_of(location.stop_words, location.start_words).judge(wrote) or _recognised(message)
    if said is None:
        return
    words = " ".join(wrote.split())[:200]
    told = f"{WROTE} {words}"
    if said is Said.STOP:
        evidence = Evidence(Origin.WORDS, contact_id, message.id, words)
        add(session, location.id, message.family, message.address, told, evidence)
    else:
        lift(session, location.id, message.family, message.address, told, contact_id, message_id=message.id)


def _recognised(message: Message) -> Said | None:
    """What the provider takes it for: a keyword that was set up there, to which it keeps whatever we do."""
    return _RECOGNISED.get(str((message.details or {}).get("opt_out") or ""))


def stops(session: Session, message: Message) -> str:
    """The sentence for a message that an opt-out stops; "" when nothing stops it."""
    contact_id = session.scalar(select(Conversation.contact_id).where(Conversation.id == message.conversation_id))
    found = why(session, message.location_id, message.family, message.address, contact_id)
    if found or not message.marketing:
        return found
    return why_no_marketing(session, message.location_id, message.address, contact_id)


def refuses(session: Session, message: Message, contact_id: int, address: str) -> str:
    """The same for one that is about to be queued. HighLevel is told, in case it never was: it would try again."""
    found = why(session, message.location_id, message.family, address, contact_id)
    if found:
        dnd.wish(session, contact_id, message.family, True, found, first=True)
    elif message.marketing:
        return why_no_marketing(session, message.location_id, address, contact_id)
    return found


def learn(session: Session, message: Message, provider: str, code: str, detail: str = "") -> None:
    """A provider has refused a message because its recipient wants silence: the next one is not even tried.

    The caller holds locks that come after those of messages, so none is taken here: the fence asks for itself.
    """
    contact_id = session.scalar(select(Conversation.contact_id).where(Conversation.id == message.conversation_id))
    evidence = Evidence(Origin.PROVIDER, contact_id, message.id, code=code[:64], detail=detail)
    source = f"{provider} said {code} to message {message.uuid}"
    family = MARKETING if code in MARKETING_CODES else message.family
    add(session, message.location_id, family, message.address, source, evidence, lock=False)


def prefer(session: Session, sender: Sender, said: Preference, event: Event, peer: Peer) -> str:
    """A customer has stopped marketing, or everything, at the provider, or wants it again."""
    who = registry.get(sender.channel).name
    contact_id = contact_of(session, sender.location_id, peer.value)
    family, what = (sender.family, "everything") if said.everything else (MARKETING, "marketing")
    if said.marketing:
        by = f"{who} said that they want {what} again"
        count = lift(session, sender.location_id, family, peer.value, by, contact_id)
        return f"{what} is wanted again" if count else f"{what} was not stopped"
    evidence = Evidence(Origin.PROVIDER, contact_id, code="preference", detail=f"Webhook {event.id}.", since=said.at)
    source = f"{who} said that they have stopped {what}"
    added = add(session, sender.location_id, family, peer.value, source, evidence)
    return f"{what} is stopped" if added else f"{what} was stopped before"


def add(
    session: Session,
    location_id: int,
    family: str,
    address: str,
    source: str,
    evidence: Evidence = Evidence(),
    *,
    lock: bool = True,
) -> OptOut | None:
    """Records an opt-out, has HighLevel told and what waits ended; None when that source has said it already.

    With `lock`, a fence for what waits is either over when this returns or sees the opt-out once it is committed.
    """
    contact_id = evidence.contact_id
    if contact_id is None:
        contact_id = contact_of(session, location_id, address)
    if _said(session, location_id, family, address, contact_id, evidence.origin):
        return None
    row = OptOut(
        location_id=location_id,
        family=family,
        address=address,
        contact_id=contact_id,
        origin=evidence.origin,
        source=source[:200],
        message_id=evidence.message_id,
        words=evidence.words[:200],
        code=evidence.code[:64],
        detail=evidence.detail[:2000],
        by=evidence.by[:128],
        since=evidence.since,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    outbox.note(session, _fact(outbox.ADDED, row, row.created_at))
    if waiting(session, location_id, family, address, contact_id, lock=lock):
        enqueue(session, [job(SEND, KIND, row.id, f"{KIND}:{row.id}", priority=0)])
    if evidence.origin is not Origin.HIGHLEVEL:
        dnd.wish(session, contact_id, family, True, row.source)
    return row


def lift(
    session: Session,
    location_id: int,
    family: str,
    address: str,
    by: str,
    contact_id: int | None = None,
    *,
    message_id: int | None = None,
    reason: str = "",
    only: Origin | None = None,
) -> int:
    """Lifts what stands for a person, or what came from one source alone; returns how many opt-outs that were.

    When nothing stands any more HighLevel is told, but never of its own word. Nothing that failed is sent again.
    """
    contact_id = contact_of(session, location_id, address) if contact_id is None else contact_id
    standing = of_person(location_id, family, address, contact_id)
    rows = session.scalars(select(OptOut).where(standing).order_by(OptOut.id).with_for_update()).all()
    lifted = [row for row in rows if only is None or row.origin == only]
    for row in lifted:
        row.lifted_at, row.lifted_by = clock.now(), by[:200]
        row.lifted_message_id, row.lift_reason = message_id, reason[:1000]
        outbox.note(session, _fact(outbox.LIFTED, row, clock.now()))
    session.flush()
    if lifted and only is None:
        for each in sorted({contact_id, *(row.contact_id for row in lifted)} - {None}, key=lambda id_: id_ or 0):
            dnd.wish(session, each, family, False, by)
    return len(lifted)


def _fact(type_: str, row: OptOut, at: datetime) -> outbox.Fact:
    said = {"id": row.id, "address": row.address, "family": row.family, "origin": row.origin, "source": row.source}
    return outbox.Fact(type_, row.location_id, at, data=said | {"lifted_by": row.lifted_by or None})


def import_listed(
    session: Session,
    location_id: int,
    family: str,
    listed: Sequence[tuple[str, datetime | None]],
    provider: str,
    by: str = "",
) -> int:
    """Writes down who is on a provider's list, as (address, since when); returns how many were new.

    Importing a list again changes nothing. Who has come back after leaving is not silenced again by the old entry.
    """
    addresses = {address for address, _ in listed}
    asked = OptOut.location_id == location_id, OptOut.family == family, OptOut.address.in_(addresses)
    known: dict[str, list[tuple[datetime | None, str]]] = {}
    for row in session.scalars(select(OptOut).where(*asked)):
        known.setdefault(row.address, []).append((row.lifted_at, row.origin))
    new = 0
    for address, at in listed:
        before = known.setdefault(address, [])
        if any(lifted is None or at is None or lifted >= at for lifted, origin in before if _counts(lifted, origin)):
            continue
        source = f"on the list of {provider}" + (f" since {at:%Y-%m-%d %H:%M} UTC" if at else "")
        evidence = Evidence(Origin.IMPORT, since=at, detail=provider, by=by)
        new += add(session, location_id, family, address, source, evidence, lock=False) is not None
        before.append((None, Origin.IMPORT))
    return new


def _counts(lifted: datetime | None, origin: str) -> bool:
    """HighLevel's own word may be taken back there at any time: what else says so is written down beside it."""
    return lifted is not None or origin != Origin.HIGHLEVEL


def waiting(
    session: Session, location_id: int, family: str, address: str, contact_id: int | None, *, lock: bool = False
) -> Sequence[int]:
    """The ids of messages to a person that may still go out, in the order in which messages are locked."""
    own = select(Conversation.id).where(Conversation.contact_id == contact_id)
    last = select(Address.conversation_id).where(
        Address.location_id == location_id, Address.value == address, Address.conversation_id.is_not(None)
    )
    # Their ids first: a condition on the answers of both would look at every message there is.
    places = {*session.scalars(own), *session.scalars(last)}
    wanted = (
        select(Message.id)
        .where(
            Message.conversation_id.in_(places),
            Message.direction == Direction.OUT,
            Message.marketing if family == MARKETING else Message.family == family,
            Message.status.in_(_OPEN),
        )
        .order_by(Message.id)
    )
    return session.scalars(wanted.with_for_update() if lock else wanted).all() if places else ()


def contact_of(session: Session, location_id: int, address: str) -> int | None:
    """Whose address it is, when that is known."""
    if not address:
        return None
    same = Address.location_id == location_id, Address.value == address, Address.kind.in_(_PERSONAL)
    return session.scalar(select(Address.contact_id).where(*same).limit(1))


def _said(
    session: Session, location_id: int, family: str, address: str, contact_id: int | None, origin: Origin
) -> bool:
    """Is it on record already? A person's own word is, beside what others said; HighLevel's only when it is all."""
    everything = of_person(location_id, family, address, contact_id)
    if origin is Origin.HIGHLEVEL:
        return session.scalar(select(OptOut.id).where(everything).limit(1)) is not None
    same = of_person(location_id, family, address, None) if address else everything
    standing = set(session.scalars(select(OptOut.origin).where(same)))
    if origin in (Origin.WORDS, Origin.PERSON):
        return origin in standing
    return bool(standing - {Origin.HIGHLEVEL})
