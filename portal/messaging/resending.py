"""Sending again what did not go out: a message of its own that carries only what is missing, linked to the first.

The first stays as it ended, because HighLevel was told so. Where some of what is missing may have arrived all the same,
only a person lets it go, and that stands in the first one's history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import Kind, Relation
from portal.errors import InvalidInput
from portal.messaging import contacts, content_commands, kinds, template_commands
from portal.messaging.addressing import PHONE
from portal.messaging.composing import SOURCE
from portal.messaging.locks import lock_whole
from portal.messaging.outbound import Request, queue_message
from portal.messaging.quoting import Quoted
from portal.messaging.statuses import FINAL, RESTORED, SENTENCES, TAKEN
from portal.models import (
    Attempt,
    Contact,
    Direction,
    Event,
    EventState,
    Message,
    Part,
    Status,
    StatusChange,
)
from portal.models.base import new_uuid
from portal.wording import noted

RESENT = "resent"
ENDED = noted("its outcome was not known, and a person counted it as failed")


@dataclass(frozen=True, slots=True)
class View:
    """Whether a message can be sent again. `refusal` says why not; `doubt` why it may have arrived, "" when it cannot
    have; `again` is the message that was sent in its place, `first` the one in whose place it was sent."""

    refusal: str
    doubt: str
    missing: int
    parts: int
    again: Message | None
    first: Message | None


def look(session: Session, message: Message) -> View:
    """How a message stands. Only looks."""
    again = session.scalar(select(Message).where(Message.resend_of_id == message.id))
    first = session.get(Message, message.resend_of_id) if message.resend_of_id is not None else None
    missing = _missing(message)
    refusal = _refusal(message, again)
    doubt = "" if refusal else _doubt(session, message, missing)
    return View(refusal, doubt, len(missing), len(message.parts), again, first)


def resend(session: Session, message_id: int, who: str, *, overrule: bool = False) -> Message:
    """Queues what is missing of a message as a new one.

    Raises `NotFound`, or `InvalidInput` when it cannot be sent again, or may have arrived and nobody overrules that.
    """
    conversation, message = lock_whole(session, message_id)
    view = look(session, message)
    if view.refusal:
        raise InvalidInput(view.refusal)
    if view.doubt and not overrule:
        raise InvalidInput(f"It was not sent again, because it may have arrived: {view.doubt}.")
    uuid = new_uuid()
    event = _event(session, message, uuid, who)
    request = replace(
        _missing_of(message),
        contact=contacts.follow(session, session.get_one(Contact, conversation.contact_id)),
        position=event.id,
        received_at=event.received_at,
        event_id=event.id,
        uuid=uuid,
        author=who[:128],
    )
    made = queue_message(session, message.location, request)
    made.resend_of_id = message.id
    _record(session, message, who, view, uuid)
    session.flush()
    return made


def _refusal(message: Message, again: Message | None) -> str:
    status = Status(message.status)
    if message.direction != Direction.OUT or message.from_us or message.backfilled:
        return "Only what was to go out through Sendero can be sent again."
    if again is not None:
        return "It was sent again already: what became of that stands on its own page."
    if status not in FINAL:
        return f"There is nothing to send again. {SENTENCES[status]}"
    if message.kind not in (Kind.TEXT, *kinds.WORDS) or message.kind == Kind.REACTION:
        return "This kind of message is not sent again: write it anew."
    if message.ghl_message_id is not None and message.kind == Kind.TEXT and _is_command(message.body):
        return "It is a command that could not be carried out: correct it in HighLevel, and send it from there."
    return ""


def _is_command(body: str) -> bool:
    try:
        return template_commands.is_command(body) or content_commands.read(body) is not None
    except InvalidInput:
        return True


def _missing(message: Message) -> list[Part]:
    return [part for part in message.parts if part.status not in TAKEN]


def _doubt(session: Session, message: Message, missing: Sequence[Part]) -> str:
    """Why something of what is missing may have arrived, to go on after "because"; "" when that cannot be."""
    if any(part.code == RESTORED for part in missing):
        return noted("a backup was restored since, and nobody knows what went out before")
    if message.error_code == "given_up":
        return ENDED
    if any(part.status == Status.EXPIRED and part.accepted_at is not None for part in missing):
        return noted("the provider took it, and only its time ran out: it may yet be delivered")
    ids = [part.id for part in missing]
    unclear = select(Attempt.id).where(Attempt.part_id.in_(ids), Attempt.outcome.in_(("unknown", "")))
    if any(part.in_doubt for part in missing) or session.scalar(unclear.limit(1)) is not None:
        return noted("of one attempt nobody knows whether the provider took it")
    told = select(StatusChange.id).where(StatusChange.part_id.in_(ids), StatusChange.before == StatusChange.after)
    if session.scalar(told.limit(1)) is not None:
        return noted("the provider has reported a message that it may be")
    return ""


def _missing_of(message: Message) -> Request:
    """What is missing, as a request of which the caller fills in the rest."""
    missing = _missing(message)
    whole = len(missing) == len(message.parts)
    body, attachments = message.body, [str(each) for each in message.attachments]
    content = kinds.content_of(message.kind, message.details)
    if not whole:
        body = "\n".join(part.body for part in missing if part.body)
        attachments = [str(each) for part in missing for each in part.attachments]
        content = content if any(part.kind == message.kind for part in missing) else None
    return Request(
        contact=message.conversation.contact,
        phone=message.address if message.address_kind == PHONE else "",
        body=body,
        position=0,
        received_at=clock.now(),
        attachments=attachments,
        user_id=message.user_id,
        named_sender_id=message.wanted_sender_id,
        quotes=_quotes(message),
        content=content,
        written=message.written_body if whole else None,
    )


def _quotes(message: Message) -> Quoted | None:
    if message.about_relation != Relation.REPLY or message.about_id is None:
        return None
    return Quoted(message.about_id, message.about_external_id, message.about_text)


def _event(session: Session, message: Message, uuid: str, who: str) -> Event:
    """A person's word is kept like every other request; its place in the journal orders the conversation."""
    moment = clock.now()
    event = Event(
        uuid=new_uuid(),
        source=SOURCE,
        action="resend",
        dedupe_key=f"{SOURCE}:resend:{message.uuid}",
        lane=f"{SOURCE}:{message.location.ghl_id}",
        received_at=moment,
        verified=True,
        headers={},
        body=msgspec.json.encode({"resends": message.uuid, "message": uuid, "by": who}),
        state=EventState.APPLIED,
        note="1 message, sent again",
        applied_at=moment,
    )
    session.add(event)
    session.flush()
    return event


def _record(session: Session, message: Message, who: str, view: View, uuid: str) -> None:
    some = f"What was missing, {view.missing} of {view.parts} parts," if view.missing < view.parts else "It"
    detail = f"{some} was sent again as {uuid}"
    detail += f", although it may have arrived: {view.doubt}." if view.doubt else "."
    session.add(
        StatusChange(
            message_id=message.id,
            before=message.status,
            after=message.status,
            who=who[:80],
            code=RESENT,
            detail=detail,
            at=clock.now(),
        )
    )
