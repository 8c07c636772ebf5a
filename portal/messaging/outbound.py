"""Queueing a message: routed, priced, held or refused, and given its jobs, all in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import CHOOSE_DEFAULT, close_alert, raise_alert
from portal.channels import registry
from portal.credits import ledger, pricing
from portal.messaging import contacts, optouts, parts, routing
from portal.messaging.statuses import move_message
from portal.models import (
    Contact,
    Conversation,
    Direction,
    InstallState,
    Location,
    Message,
    Part,
    RoutingRule,
    Sender,
    SenderState,
    Status,
    StatusChange,
)
from portal.queue.gates import ghl_gate, sender_gate
from portal.queue.jobs import GHL, SEND, drop, enqueue, job

# Replies go before bulk: somebody waits for them.
REPLY, BULK = 10, 20
REPLY_WINDOW = timedelta(hours=24)
WHO = "portal"


@dataclass(frozen=True, slots=True)
class Request:
    """A message that somebody wants sent. `phone` is E.164, or "" when only the contact is known."""

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


def queue_message(session: Session, location: Location, request: Request) -> Message:
    """Writes the message in the state it deserves: queued, held or failed, with the reason in words."""
    conversation = contacts.conversation(session, location.id, request.contact.id)
    message = _new_message(location, conversation, request)
    session.add(message)
    session.flush()
    contacts.note_message(conversation, message, request.received_at)
    session.add(
        StatusChange(message_id=message.id, before="", after=Status.QUEUED, who=WHO, at=message.created_at)
    )
    if request.refusal:
        fail(session, message, request.refusal)
    else:
        place(session, location, conversation, message)
    return message


def place(session: Session, location: Location, conversation: Conversation, message: Message) -> None:
    """Routes a queued message and gives it its jobs, or holds or fails it. Also for messages that were held."""
    if location.install_state != InstallState.INSTALLED:
        _hold(session, conversation, message, not_installed(location))
        return
    choice = _route(session, location, conversation, message)
    message.sender_reason = choice.reason
    if choice.reason == routing.CHOOSE_DEFAULT:
        raise_alert(session, CHOOSE_DEFAULT, location.ghl_id, f"{_name(location)}: {choice.reason}", location.id)
    if choice.verdict is routing.Verdict.FAIL:
        fail(session, message, choice.reason)
        return
    if choice.sender_id is not None:
        message.sender_id = choice.sender_id
    if choice.verdict is routing.Verdict.HOLD:
        _hold(session, conversation, message, choice.reason)
        return
    if conversation.held_reason:
        _hold(session, conversation, message, conversation.held_reason)
        return
    sender = session.get_one(Sender, choice.sender_id)
    _place_with(session, conversation, message, sender)


def _place_with(session: Session, conversation: Conversation, message: Message, sender: Sender) -> None:
    message.family = sender.family
    address = message.address or contacts.address_of(session, conversation.contact_id, contacts.PHONE)
    if not address:
        fail(session, message, "The contact has no phone number: add one in HighLevel.")
        return
    message.address = address
    if optouts.opted_out(session, message.location_id, sender.family, address):
        fail(session, message, "The contact has opted out: nothing is sent until they write START.", "opted_out")
        return
    pieces = _ensure_parts(session, message, sender)
    wallet = ledger.wallet_of(session, message.location_id)
    if not ledger.hold(session, wallet, message.id, message.credits):
        _hold(session, conversation, message, "There are not enough credits: top up, and this goes out by itself.")
        return
    message.funded = True
    contacts.remember_route(session, conversation, sender, contacts.PHONE, address)
    _enqueue_parts(session, conversation, message, sender, pieces)


def _ensure_parts(session: Session, message: Message, sender: Sender) -> list[Part]:
    if not message.parts:
        channel = registry.get(sender.channel)
        for number, piece in enumerate(parts.cut(channel, message.body, message.attachments), start=1):
            price = pricing.price(sender.family, piece.kind, piece.segments)
            message.parts.append(
                Part(
                    number=number,
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
    session.flush()
    return message.parts


def _enqueue_parts(
    session: Session, conversation: Conversation, message: Message, sender: Sender, pieces: Sequence[Part]
) -> None:
    lane = f"out:{conversation.id}"
    run_at = clock.now()
    if message.scheduled_at is not None and message.scheduled_at > run_at:
        # A scheduled message must not keep the conversation waiting.
        lane, run_at = f"out:{conversation.id}:{message.id}", message.scheduled_at
    gate = sender_gate(sender.id)
    enqueue(
        session,
        [
            job(SEND, "send", part.id, lane, gate=gate, priority=message.priority, run_at=run_at)
            for part in pieces
            if part.status == Status.QUEUED
        ],
    )


def fail(session: Session, message: Message, reason: str, code: str = "") -> None:
    """Ends a message that did not go out, and tells HighLevel."""
    move_message(session, message, Status.FAILED, who=WHO, code=code, detail=reason)
    push_status(session, message)


def push_status(session: Session, message: Message) -> None:
    """Has HighLevel told of the message's status. Several moves become one call: the newest wins."""
    if message.ghl_message_id and message.direction == Direction.OUT:
        gate = ghl_gate(message.location_id)
        enqueue(session, [job(GHL, "push_status", message.id, f"status:{message.id}", gate=gate, priority=20)])


def _hold(session: Session, conversation: Conversation, message: Message, reason: str) -> None:
    """Holds a message, and with it what comes later in the conversation."""
    conversation.held_reason = reason
    if message.status == Status.HELD:
        message.reason = reason
    else:
        move_message(session, message, Status.HELD, who=WHO, detail=reason)


def hold_conversation(session: Session, message: Message, reason: str) -> None:
    """Holds a message that was about to go out, and all that is queued behind it, under the same reason."""
    conversation = session.get_one(Conversation, message.conversation_id, with_for_update=True)
    waiting = session.scalars(
        select(Message)
        .where(
            Message.conversation_id == message.conversation_id,
            Message.direction == Direction.OUT,
            Message.status == Status.QUEUED,
            Message.position >= message.position,
        )
        .order_by(Message.position)
        .with_for_update()
    ).all()
    for each in waiting:
        _hold(session, conversation, each, reason)
        drop(session, "send", [part.id for part in each.parts])


def release_held(session: Session, location_id: int, *, sender_id: int | None = None) -> int:
    """Places every held message of a location again, in order; returns how many are on their way."""
    held = select(Message).where(
        Message.location_id == location_id, Message.direction == Direction.OUT, Message.status == Status.HELD
    )
    if sender_id is not None:
        held = held.where(Message.sender_id == sender_id)
    location = session.get_one(Location, location_id)
    messages = session.scalars(held.order_by(Message.position).with_for_update()).all()
    conversations: dict[int, Conversation] = {}
    for each in messages:
        if each.conversation_id not in conversations:
            conversation = session.get_one(Conversation, each.conversation_id, with_for_update=True)
            conversation.held_reason = ""
            conversations[each.conversation_id] = conversation
        move_message(session, each, Status.QUEUED, who=WHO, detail="")
        place(session, location, conversations[each.conversation_id], each)
    released = sum(1 for each in messages if each.status == Status.QUEUED)
    if not any(each.status == Status.HELD for each in messages):
        close_alert(session, CHOOSE_DEFAULT, location.ghl_id)
    return released


def not_installed(location: Location) -> str:
    """Why nothing is sent for a location that is not installed."""
    if location.install_state == InstallState.INACTIVE:
        return "The sub-account is paused in HighLevel: activate it there, and this goes out."
    return "The app is not installed in this sub-account: install it, and this goes out."


def _name(location: Location) -> str:
    return location.name or location.ghl_id


def _new_message(location: Location, conversation: Conversation, request: Request) -> Message:
    moment = clock.now()
    recent = conversation.last_inbound_at and conversation.last_inbound_at > moment - REPLY_WINDOW
    start = max(filter(None, (moment, request.scheduled_at)))
    return Message(
        location_id=location.id,
        conversation_id=conversation.id,
        event_id=request.event_id,
        position=request.position,
        direction=Direction.OUT,
        body=request.body,
        attachments=list(request.attachments),
        address=request.phone,
        status=Status.QUEUED,
        status_at=moment,
        priority=REPLY if request.user_id or recent else BULK,
        user_id=request.user_id,
        ghl_message_id=request.ghl_message_id,
        provider_id=request.provider_id,
        wanted_sender_id=request.named_sender_id,
        scheduled_at=request.scheduled_at,
        expires_at=start + timedelta(seconds=location.ttl_seconds),
        created_at=moment,
        parts=[],
    )


def _route(session: Session, location: Location, conversation: Conversation, message: Message) -> routing.Choice:
    rows = session.scalars(
        select(Sender)
        .where(Sender.location_id == location.id, Sender.state != SenderState.REMOVED)
        .order_by(Sender.position, Sender.id)
    )
    senders = [
        routing.Candidate(
            row.id, row.name, row.channel, row.family, row.state == SenderState.ACTIVE, row.is_default
        )
        for row in rows
    ]
    if len(senders) < 2:
        rules: list[routing.Rule] = []
        tags: list[str] = []
    else:
        wanted = select(RoutingRule).where(RoutingRule.location_id == location.id).order_by(RoutingRule.position)
        rules = [routing.Rule(row.kind, row.value, row.sender_id) for row in session.scalars(wanted)]
        tags = list(session.get_one(Contact, conversation.contact_id).tags) if rules else []
    wish = routing.Wish(
        message.wanted_sender_id, conversation.sticky_sender_id, tags, message.address, message.user_id
    )
    return routing.choose(senders, rules, wish, location.failover)
