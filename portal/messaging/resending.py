"""Sending again what did not go out: a message of its own that carries only what is missing, linked to the first.

The first stays as it ended, because HighLevel was told so. Where some of what is missing may have arrived all the same,
only a person lets it go, and that stands in the first one's history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import Kind, Relation
from portal.errors import InvalidInput
from portal.messaging import contacts, content_commands, families, kinds, template_commands
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
# Messages that are judged together.
AT_ONCE = 200
LONGEST_REASON = 500
ENDED = noted("its outcome was not known, and a person counted it as failed")
# By where another try of a message stands: it may yet arrive, or has.
_TRIED: Mapping[Status, str] = {
    Status.QUEUED: "another try of it is queued",
    Status.HELD: "another try of it is held",
    Status.SENDING: "another try of it is sending",
    Status.UNKNOWN: "another try of it is unknown",
    Status.ACCEPTED: "another try of it is accepted",
    Status.SENT: "another try of it is sent",
    Status.DELIVERED: "another try of it is delivered",
    Status.READ: "another try of it is read",
}


@dataclass(frozen=True, slots=True)
class View:
    """Whether a message can be sent again. `refusal` says why not; `doubt` why it may have arrived, "" when it cannot
    have; `again` is the message that was sent in its place."""

    refusal: str
    doubt: str
    missing: int
    parts: int
    again: Message | None


def look(session: Session, message: Message) -> View:
    """How a message stands. Only looks."""
    return look_at_many(session, [message])[0]


def look_at_many(session: Session, messages: Sequence[Message]) -> list[View]:
    """How each of the messages stands, in few questions for all of them. Their parts should be loaded."""
    return [view for place in range(0, len(messages), AT_ONCE) for view in _views(session, messages[place:][:AT_ONCE])]


def _views(session: Session, messages: Sequence[Message]) -> list[View]:
    ids = [message.id for message in messages]
    again = {row.resend_of_id: row for row in session.scalars(select(Message).where(Message.resend_of_id.in_(ids)))}
    known = _evidence(session, messages)
    views = []
    for message in messages:
        missing = _missing(message)
        refusal = _refusal(message, again.get(message.id)) or _newer(known, message)
        doubt = "" if refusal else _doubt(known, message, missing)
        views.append(View(refusal, doubt, len(missing), len(message.parts), again.get(message.id)))
    return views


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Parts of which an attempt is unclear or that a report may be about; by message, its other tries."""

    unclear: set[int]
    reported: set[int]
    tries: Mapping[int, Sequence[Message]]


def _evidence(session: Session, messages: Sequence[Message]) -> _Evidence:
    parts = [part.id for message in messages if message.status in FINAL for part in _missing(message)]
    unclear = select(Attempt.part_id).where(Attempt.part_id.in_(parts), Attempt.outcome.in_(("unknown", "")))
    told = select(StatusChange.part_id).where(
        StatusChange.message_id.in_([message.id for message in messages]),
        StatusChange.part_id.in_(parts),
        StatusChange.before == StatusChange.after,
    )
    retried = families.with_retries(session, [message.id for message in messages])
    related = [each for each in messages if each.resend_of_id or each.retry_of_id or each.id in retried]
    tries = {
        each.id: [other for other in families.family(session, each) if other.id != each.id]
        for each in related
        if each.status in FINAL
    }
    reported = {id_ for id_ in session.scalars(told) if id_ is not None}
    return _Evidence(set(session.scalars(unclear)), reported, tries)


def _newer(known: _Evidence, message: Message) -> str:
    """Of several tries that all failed the last is sent again: else one press of a button sends two."""
    others = known.tries.get(message.id, ())
    if any(each.status not in FINAL for each in others):
        return ""
    later = any((each.position, each.id) > (message.position, message.id) for each in others)
    return "There was a later try of it, which ended too: that one can be sent again, not this." if later else ""


def why_overruled(reason: str, overrule: bool) -> str:
    """Why a doubt is overruled, as it is kept. Raises `InvalidInput` when nobody says why."""
    reason = reason.strip()[:LONGEST_REASON]
    if overrule and not reason:
        raise InvalidInput("Say why it is sent again although it may have arrived: that stands in its history.")
    return reason


def resend(
    session: Session, message_id: int, who: str, *, overrule: bool = False, reason: str = "", doubt: str = ""
) -> Message:
    """Queues what is missing of a message as a new one. `reason`: why somebody overrules, in their own words; `doubt`:
    the only one that is overruled, "" for whichever there is.

    Raises `NotFound`, or `InvalidInput` when it cannot be sent again, or may have arrived and nobody overrules that.
    """
    conversation, message = lock_whole(session, message_id)
    view = look(session, message)
    if view.refusal:
        raise InvalidInput(view.refusal)
    if view.doubt and not (overrule and doubt in ("", view.doubt)):
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
        callback_id=message.callback_id,
    )
    made = queue_message(session, message.location, request)
    made.resend_of_id = message.id
    _record(session, message, who, view, uuid, reason)
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


def _doubt(known: _Evidence, message: Message, missing: Sequence[Part]) -> str:
    """Why something of what is missing may have arrived, to go on after "because"; "" when that cannot be."""
    if any(part.code == RESTORED for part in missing):
        return noted("a backup was restored since, and nobody knows what went out before")
    if message.error_code == "given_up":
        return ENDED
    if any(part.status == Status.EXPIRED and part.accepted_at is not None for part in missing):
        return noted("the provider took it, and only its time ran out: it may yet be delivered")
    if any(part.in_doubt or part.id in known.unclear for part in missing):
        return noted("of one attempt nobody knows whether the provider took it")
    if any(part.id in known.reported for part in missing):
        return noted("the provider has reported a message that it may be")
    alive = [each.status for each in known.tries.get(message.id, ()) if each.status not in FINAL]
    return _TRIED[Status(alive[-1])] if alive else ""


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


def _record(session: Session, message: Message, who: str, view: View, uuid: str, reason: str) -> None:
    session.add(
        StatusChange(
            message_id=message.id,
            before=message.status,
            after=message.status,
            who=who[:80],
            code=RESENT,
            detail=_told(view, uuid, reason),
            at=clock.now(),
        )
    )


def _told(view: View, uuid: str, reason: str) -> str:
    """What stands in the first one's history: whole sentences, because each is translated as one."""
    missing, parts, doubt = view.missing, view.parts, view.doubt
    if missing < parts and doubt and reason:
        return (
            f"What was missing, {missing} of {parts} parts, was sent again as {uuid}, "
            f"although it may have arrived: {doubt}. Why: {reason}"
        )
    if missing < parts and doubt:
        return (
            f"What was missing, {missing} of {parts} parts, was sent again as {uuid}, "
            f"although it may have arrived: {doubt}."
        )
    if missing < parts:
        return f"What was missing, {missing} of {parts} parts, was sent again as {uuid}."
    if doubt and reason:
        return f"It was sent again as {uuid}, although it may have arrived: {doubt}. Why: {reason}"
    if doubt:
        return f"It was sent again as {uuid}, although it may have arrived: {doubt}."
    return f"It was sent again as {uuid}."
