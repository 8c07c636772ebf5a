"""Queueing a message: routed, priced, held or refused, and given its jobs, all in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import CHOOSE_DEFAULT, raise_alert
from portal.channels import registry
from portal.channels.content import Content, Kind
from portal.credits import ledger, refusals, terms
from portal.messaging import (
    addressing,
    choosing,
    contacts,
    first_line,
    kinds,
    marketing_pauses,
    optouts,
    parts,
    quoting,
    routing,
)
from portal.messaging.charges import move_credits, price_of
from portal.messaging.content_commands import take as take_content
from portal.messaging.held import held_by, hold
from portal.messaging.not_installed import why_not_installed
from portal.messaging.quoting import Quoted, columns
from portal.messaging.recut import cut_anew
from portal.messaging.statuses import move_message, move_part
from portal.messaging.template_commands import take as take_command
from portal.messaging.template_sending import refusal
from portal.messaging.windows import CODE as WINDOW_CODE
from portal.messaging.windows import why_closed
from portal.models import (
    Contact,
    Conversation,
    Direction,
    InstallState,
    Location,
    Message,
    Part,
    Sender,
    Status,
    StatusChange,
)
from portal.models.base import new_uuid
from portal.queue.gates import ghl_gate, sender_gate
from portal.queue.jobs import GHL, SEND, enqueue, job

# Replies go before bulk: somebody waits for them.
REPLY, BULK = 10, 20
REPLY_WINDOW = timedelta(hours=24)
WHO = "portal"
TO_BE_LOGGED = "wanted"
REACHED_PROVIDER = (Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ)


@dataclass(frozen=True, slots=True)
class Request:
    """A message that somebody wants sent. `phone` is E.164, or "" when only the contact is known.

    `author` wrote it in the portal, so HighLevel does not know of it yet; `bulk` is shared by messages of one text.
    `quotes` is the message that it answers, `content` what it is besides a text, `written` the text as it was written
    where `body` is another. `ttl_seconds` is the location's own where None; `callback_id` is told of its statuses.
    """

    contact: Contact
    phone: str
    body: str
    position: int
    received_at: datetime
    attachments: Sequence[str] = ()
    event_id: int | None = None
    ghl_message_id: str | None = None
    provider_id: str = ""
    user_id: str = ""
    named_sender_id: int | None = None
    scheduled_at: datetime | None = None
    refusal: str = field(default="")
    uuid: str = field(default_factory=new_uuid)
    author: str = ""
    bulk: str = ""
    quotes: Quoted | None = None
    content: Content | None = None
    written: str | None = None
    ttl_seconds: int | None = None
    callback_id: int | None = None
    retry_of_id: int | None = None


def queue_message(session: Session, location: Location, request: Request) -> Message:
    """Writes the message in the state it deserves: queued, held or failed, with the reason in words.

    One of a bulk that is queued gets no job: `bulk.plan` has to follow in the same transaction.
    """
    conversation = contacts.conversation(session, location.id, request.contact.id)
    message = _new_message(location, conversation, request)
    contacts.note_message(conversation, message, request.received_at)
    with session.no_autoflush:
        placed = _Place(None, failure=request.refusal)
        if not request.refusal:
            placed = _prepare(session, location, conversation, message)
        session.add(message)
        if placed.sender is not None:
            # Written with the rest; taken back when there turn out to be too few credits.
            message.funded = True
            _remember(session, conversation, message, placed)
        session.flush()
        begun = {"message_id": message.id, "before": "", "after": Status.QUEUED, "who": WHO, "code": "", "detail": ""}
        session.connection().execute(_BEGUN, begun | {"at": message.created_at})
        _settle_place(session, conversation, message, placed, alone=not request.bulk)
    return message


_BEGUN = insert(StatusChange.__table__)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Place:
    """What a message deserves: a sender to go out through, or the reason why it is held or fails.

    One that only `stands_in` does not become the conversation's own.
    """

    sender: Sender | None
    hold: str = ""
    failure: str = ""
    code: str = ""
    stands_in: bool = False


def place(session: Session, location: Location, conversation: Conversation, message: Message) -> None:
    """Routes a queued or held message again and gives it its jobs, or holds or fails it.

    The caller has locked the conversation and the message.
    """
    for part in message.parts:
        part.bulk_call_id = None  # the call would take it along whatever is decided here
    placed = _prepare(session, location, conversation, message)
    if placed.sender is not None and not cut_anew(session, message, placed.sender):
        placed = _Place(None, hold=_why_unpaid(session, message))
    _settle_place(session, conversation, message, placed)


def _prepare(session: Session, location: Location, conversation: Conversation, message: Message) -> _Place:
    """Decides, and cuts the message into parts. Writes nothing: a new message is written once, whole."""
    if location.install_state != InstallState.INSTALLED:
        return _Place(None, hold=why_not_installed(session, location))
    if message.held_by:
        return _Place(None, hold=held_by(message))
    if choosing.several(session, location) and first_line.must_ask(session, conversation, message):
        return _Place(None, hold=first_line.ASKING)
    choice = choosing.route(session, location, conversation, message)
    message.sender_reason = choice.reason
    if choice.reason == routing.CHOOSE_DEFAULT:
        raise_alert(
            session,
            CHOOSE_DEFAULT,
            location.ghl_id,
            f"{location.name or location.ghl_id}: {choice.reason}",
            location.id,
        )
    if choice.verdict is routing.Verdict.FAIL:
        return _Place(None, failure=choice.reason)
    sender = session.get_one(Sender, choice.sender_id) if choice.sender_id is not None else None
    if sender is not None:
        message.sender_id, message.family = sender.id, sender.family
        address = addressing.find(session, conversation, message, registry.get(sender.channel), sender.family)
        quoting.keep_own(session, message, sender)
        if wrong := take_command(session, sender, message) or take_content(session, message):
            return _Place(None, failure=wrong, code="unfit")
        # Before anything that holds it back: waiting changes nothing about it.
        named = address[0] if address else message.address
        if opted_out := optouts.refuses(session, message, conversation.contact_id, named):
            return _Place(None, failure=opted_out, code=optouts.CODE)
    if choice.verdict is routing.Verdict.HOLD or sender is None:
        return _Place(None, hold=choice.reason)
    if conversation.held_reason:
        return _Place(None, hold=conversation.held_reason)
    unfit = kinds.unfit(registry.get(sender.channel), sender.name, message.kind, message.body, message.details)
    if unfit := unfit or refusal(session, sender, message):
        return _Place(None, failure=unfit, code="unfit")
    if address is None:
        return _Place(None, failure=addressing.why_none(session, conversation, sender))
    if closed := why_closed(session, message, sender, *address):
        return _Place(None, failure=closed, code=WINDOW_CODE)
    if paused := marketing_pauses.why(session, message, *address):
        return _Place(None, failure=paused, code=marketing_pauses.CODE)
    # Not before: while it is held, it is not known whose line it will be, and where that one can write.
    message.address, message.address_kind = address
    _ensure_parts(session, message, sender)
    return _Place(sender, stands_in=choice.instead_of is not None)


def _settle_place(
    session: Session, conversation: Conversation, message: Message, placed: _Place, *, alone: bool = True
) -> None:
    if placed.failure:
        fail(session, message, placed.failure, placed.code)
    elif placed.sender is None and placed.hold in refusals.ALL:
        _leave_unpaid(session, conversation, message, placed.hold)
    elif placed.sender is None:
        hold(session, conversation, message, placed.hold)
    elif not ledger.hold(session, message.location_id, message.id, message.credits, message.bulk):
        message.funded = False
        _leave_unpaid(session, conversation, message, _why_unpaid(session, message))
    else:
        move_message(session, message, Status.QUEUED, who=WHO)
        message.funded = True
        _remember(session, conversation, message, placed)
        session.flush()
        if alone:
            enqueue_parts(session, conversation, message, placed.sender)


def _why_unpaid(session: Session, message: Message) -> str:
    return refusals.why(session, message.location_id, message.credits, message.bulk) or refusals.NO_CREDITS


def _leave_unpaid(session: Session, conversation: Conversation, message: Message, reason: str) -> None:
    """By policy it waits for credits, or fails. HighLevel is told either way."""
    if terms.of(session, message.location_id).fails_when_empty:
        fail(session, message, refusals.FAILED[reason], refusals.CODE)
        return
    told = message.status == Status.HELD and message.reason == reason
    hold(session, conversation, message, reason)
    if not told:
        push_status(session, message)


def _remember(session: Session, conversation: Conversation, message: Message, placed: _Place) -> None:
    if placed.stands_in:
        contacts.remember_address(session, conversation, message.address_kind, message.address)
    elif placed.sender is not None:
        contacts.remember_route(session, conversation, placed.sender, message.address_kind, message.address)


def _ensure_parts(session: Session, message: Message, sender: Sender) -> None:
    if not message.parts:
        channel, content = registry.get(sender.channel), kinds.content_of(message.kind, message.details)
        pieces = parts.cut(channel, sender.family, message.body, message.attachments, content)
        for number, piece in enumerate(pieces, start=1):
            price = price_of(session, message, sender, piece)
            message.parts.append(
                Part(
                    number=number,
                    kind=piece.kind,
                    details=dict(piece.details),
                    body=piece.body,
                    attachments=list(piece.attachments),
                    status=Status.QUEUED,
                    segments=piece.segments,
                    price=price,
                )
            )
        message.credits = sum(part.price for part in message.parts)
    for part in message.parts:
        part.sender_id = sender.id


def enqueue_parts(session: Session, conversation: Conversation, message: Message, sender: Sender) -> None:
    """Gives every part that waits its job, in the conversation's lane."""
    lane = f"out:{conversation.id}"
    run_at = clock.now()
    if message.scheduled_at is not None and message.scheduled_at > run_at:
        # A scheduled message must not keep the conversation waiting.
        lane, run_at = f"out:{conversation.id}:{message.id}", message.scheduled_at
    gate = sender_gate(sender.id, sender.account_key)
    enqueue(
        session,
        [
            job(SEND, "send", part.id, lane, gate=gate, priority=message.priority, run_at=run_at)
            for part in message.parts
            if part.status == Status.QUEUED
        ],
    )


def fail(session: Session, message: Message, reason: str, code: str = "") -> None:
    """Ends a message that did not go out, and tells HighLevel."""
    for part in message.parts:
        if part.status in (Status.QUEUED, Status.HELD):
            move_part(session, part, Status.FAILED, who=WHO, code=code, detail=reason)
            move_credits(session, part, reason)
    move_message(session, message, Status.FAILED, who=WHO, code=code, detail=reason)
    push_status(session, message)


def push_status(session: Session, message: Message) -> None:
    """Has HighLevel told of the message's status. Several moves become one call: the newest wins.

    A message that was written in the portal is logged there first, once the provider has it.
    """
    if message.ghl_message_id and message.direction == Direction.OUT:
        enqueue(session, [status_job(message.id, message.location_id)])
    elif message.echo_state == TO_BE_LOGGED and message.status in REACHED_PROVIDER:
        lane, gate = f"in:{message.conversation_id}", ghl_gate(message.location_id)
        enqueue(session, [job(GHL, "post_message", message.id, lane, gate=gate, priority=20)])


def status_job(message_id: int, location_id: int) -> dict[str, Any]:
    """The job that tells HighLevel where one of its own messages is."""
    return job(GHL, "push_status", message_id, f"status:{message_id}", gate=ghl_gate(location_id), priority=20)


def _new_message(location: Location, conversation: Conversation, request: Request) -> Message:
    moment = clock.now()
    recent = conversation.last_inbound_at and conversation.last_inbound_at > moment - REPLY_WINDOW
    start = max(filter(None, (moment, request.scheduled_at)))
    urgent = bool(request.user_id or recent or (request.author and not request.bulk))
    return Message(
        uuid=request.uuid,
        location_id=location.id,
        conversation_id=conversation.id,
        event_id=request.event_id,
        position=request.position,
        direction=Direction.OUT,
        kind=request.content.kind.value if request.content else Kind.TEXT.value,
        details=dict(request.content.details) if request.content else {},
        body=request.body,
        written_body=request.written,
        attachments=list(request.attachments),
        address=request.phone,
        address_kind=contacts.PHONE.value,
        status=Status.QUEUED,
        status_at=moment,
        priority=REPLY if urgent else BULK,
        marketing=bool(request.content and kinds.is_marketing(request.content)),
        user_id=request.user_id,
        author=request.author,
        bulk=request.bulk,
        echo_state=TO_BE_LOGGED if request.author else "",
        ghl_message_id=request.ghl_message_id,
        provider_id=request.provider_id,
        wanted_sender_id=request.named_sender_id,
        scheduled_at=request.scheduled_at,
        expires_at=start + timedelta(seconds=request.ttl_seconds or location.ttl_seconds),
        callback_id=request.callback_id,
        retry_of_id=request.retry_of_id,
        created_at=moment,
        parts=[],
        **columns(request.quotes),
    )
