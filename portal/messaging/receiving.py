"""Applying an event: what a webhook said becomes contacts, messages, receipts and jobs, in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, exists, literal_column, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import NO_MESSAGE_ID, PARKED, raise_alert
from portal.channels import reading, registry
from portal.channels.base import ChannelError, WebhookRequest
from portal.channels.capabilities import AppWebhook
from portal.config import Settings
from portal.crypto import Vault
from portal.errors import InvalidInput, PortalError
from portal.ghl import payloads
from portal.installations import lifecycle
from portal.installations.lifecycle import IGNORED
from portal.journal.entry import SEALED, without_secrets
from portal.messaging import (
    app_webhooks,
    composing,
    contact_events,
    contacts,
    effects,
    families,
    media,
    numbers,
    quoting,
)
from portal.messaging.accounts import account_of
from portal.messaging.mirroring import EchoUnresolved
from portal.messaging.outbound import Request, queue_message
from portal.messaging.shared_webhooks import sender_of
from portal.models import Contact, Conversation, Direction, Event, EventState, Location, Message, SenderState

MAX_BODY = 10_000
# Bytes kept of what proves nothing.
EVIDENCE = 4096
REFUSED = "refused: "
UNPROVED = "The request does not prove that it comes from the provider."
_ENDINGS = {IGNORED: EventState.IGNORED, REFUSED: EventState.REFUSED}


class Parked(PortalError):
    """The event cannot be applied as it is: it waits for a person, who may replay it. `alert` is its kind of alert."""

    def __init__(self, message: str, alert: str = PARKED) -> None:
        super().__init__(message)
        self.alert = alert


# An event that raises one of these is parked: nothing is lost, and a person can replay it.
UNREADABLE = (Parked, ChannelError, payloads.UnreadablePayload)


@dataclass(frozen=True, slots=True)
class Context:
    """What applying needs besides the transaction.

    `piecewise`: the event has failed again and again, so that one of its items must be left out (`effects.take`).
    """

    settings: Settings
    vault: Vault
    piecewise: bool = False


def apply_event(session: Session, context: Context, event: Event) -> None:
    """Applies one event and notes what became of it.

    Raises `EchoUnresolved` when it has to wait, and one of `UNREADABLE` when a person has to look at it.
    """
    if event.state not in (EventState.PENDING, EventState.PARKED):
        return
    handler = _SOURCES.get(event.source, _apply_provider)
    note = handler(session, context, event)
    if context.piecewise and effects.FAILED in note:
        park(session, event, Parked(note))  # the rest of it is done, and a replay repeats none of that
        return
    event.note = note
    event.state = next((state for word, state in _ENDINGS.items() if event.note.startswith(word)), EventState.APPLIED)
    event.applied_at = clock.now()


def park(session: Session, event: Event, error: Exception) -> None:
    """Sets an event aside, visible and replayable, and has a person told."""
    reason = str(error)
    event.state = EventState.PARKED
    event.note = reason
    event.applied_at = clock.now()
    kind = error.alert if isinstance(error, Parked) else PARKED
    raise_alert(session, kind, event.source, f"Events of {event.source} were set aside. The last: {reason}")


def _apply_ghl(session: Session, context: Context, event: Event) -> str:
    payload = payloads.parse(event.body or b"")
    if payload.app_id and payload.app_id != context.settings.ghl_app_id:
        return f"{IGNORED}it belongs to another app"
    provider = payload.conversation_provider_id
    if isinstance(payload, payloads.AppEvent):
        if payload.type in contact_events.KINDS:
            return contact_events.apply(session, payload, event.received_at)
        return lifecycle.apply(session, payload, event.received_at)
    if provider and provider not in context.settings.ghl_providers:
        return f"{IGNORED}it belongs to another conversation provider"
    return _apply_delivery(session, event, payload)


def _apply_delivery(session: Session, event: Event, payload: payloads.Delivery) -> str:
    if not payload.location_id or not payload.contact_id:
        raise Parked("The delivery names no location or no contact: it cannot be sent to anyone.")
    if not payload.message_id:
        text = "A delivery came without messageId: it was set aside, because sending it could send it twice."
        raise Parked(text, alert=NO_MESSAGE_ID)
    location = lifecycle.ensure_location(session, payload.location_id)
    wanted = {"location": location.id, "message": payload.message_id, "contact": payload.contact_id}
    wanted |= {"body": payload.message, "since": clock.now() - families.RETRY_WINDOW}
    known, echo_open, failed = session.connection().execute(_SEEN, wanted).one()
    if known:
        return f"{IGNORED}the message is known already"
    if echo_open:
        raise EchoUnresolved("A message to this contact is just being told to HighLevel.")
    phone, refusal = _judge(location, payload)
    contact = contacts.for_ghl(session, location.id, payload.contact_id, phone or None)
    message = queue_message(
        session,
        location,
        Request(
            contact=contact,
            phone=phone,
            body=payload.message,
            position=event.id,
            received_at=event.received_at,
            attachments=payload.attachments,
            event_id=event.id,
            ghl_message_id=payload.message_id,
            provider_id=payload.conversation_provider_id,
            user_id=payload.user_id,
            refusal=refusal,
            quotes=quoting.by_alt_id(session, location.id, payload.reply_to_alt_id),
            retry_of_id=families.retried(session, failed, payload.attachments),
        ),
    )
    return f"message {message.uuid}"


def _judge(location: Location, payload: payloads.Delivery) -> tuple[str, str]:
    """The E.164 number, or "", and the sentence that refuses the message, or ""."""
    if payload.type.upper() != "SMS":
        return "", f"This provider sends SMS and WhatsApp only, not {payload.type[:40]}."
    if not payload.message.strip() and not payload.attachments:
        return "", "The message is empty: write a text or attach a file."
    if len(payload.message) > MAX_BODY:
        return "", f"The message is longer than {MAX_BODY} characters: shorten it."
    if not payload.phone:
        return "", ""
    number = numbers.normalise(payload.phone, location.country or None)
    if isinstance(number, numbers.Rejection):
        return "", f"{number.sentence} (the number in HighLevel)"
    return number.e164, ""


# Is a message to this contact being logged in HighLevel, with an id that we do not know yet?
_ECHO_OPEN = (
    exists()
    .where(Message.location_id == bindparam("location"), Message.direction == Direction.OUT)
    # Spelled out: a parameter would hide from the planner that the index on open echoes is enough.
    .where(literal_column("message.echo_state") == literal_column("'open'"))
    .where(Conversation.id == Message.conversation_id, Contact.id == Conversation.contact_id)
    .where(Contact.ghl_contact_id == bindparam("contact"))
)
# Built once: every delivery asks it.
_SEEN = select(media.known_here(bindparam("location"), bindparam("message")), _ECHO_OPEN, families.FAILED_BEFORE)


def _apply_provider(session: Session, context: Context, event: Event) -> str:
    try:
        channel = registry.get(event.source)
    except InvalidInput:
        channel = None  # of a portal that knew more channels
    if not isinstance(channel, AppWebhook):
        return _apply_sms(session, context, event)
    if event.action == app_webhooks.OWN_APP and app_webhooks.owner(session, channel, event) is None:
        return _strangers(event)
    request = webhook_request(event)
    piecewise = context.piecewise
    note = app_webhooks.apply(session, context.vault, channel, channel, event, request, piecewise=piecewise)
    if note is None:
        raise Parked(UNPROVED)
    return note


def _apply_sms(session: Session, context: Context, event: Event) -> str:
    sender = sender_of(session, event)
    if sender is None or sender.channel != event.source:
        return _strangers(event)
    channel = registry.get(sender.channel)
    request = webhook_request(event)
    if not event.verified:
        # Kept while the database was away, when nobody could say whether it was genuine.
        headers = dict(event.headers or {})
        sealed = headers.pop(SEALED, "")
        whole = replace(request, headers=context.vault.open_fields(sealed)) if sealed else request
        if not channel.verify(account_of(sender, context.vault, context.settings.app_url), whole):
            raise Parked(UNPROVED)
        event.verified, event.headers, event.query = True, headers, without_secrets(event.query)
    if sender.state == SenderState.REMOVED:
        return f"{IGNORED}the sender was removed"
    if not request.body.strip() and not request.query:
        return f"{IGNORED}it says nothing"  # somebody has tried whether the address answers
    said = reading.events(channel, request, lambda: account_of(sender, context.vault, context.settings.app_url))
    done = effects.take(session, sender, said, event, context.vault, piecewise=context.piecewise)
    return ", ".join(done) or f"{IGNORED}it says nothing"


def _strangers(event: Event) -> str:
    """What a stranger sent in an outage; at any other time it would have been 404. No person can do anything."""
    event.body, event.headers = (event.body or b"")[:EVIDENCE], {}
    return f"{REFUSED}no sender has this webhook address"


def webhook_request(event: Event) -> WebhookRequest:
    """The event as the channel's code reads it."""
    headers: Mapping[str, str] = event.headers or {}
    return WebhookRequest(
        action=event.action,
        body=event.body or b"",
        content_type=headers.get("content-type", ""),
        headers=headers,
        query=event.query,
    )


def _apply_composed(session: Session, context: Context, event: Event) -> str:
    return composing.apply(session, context.vault, event)


_SOURCES: Mapping[str, Callable[[Session, Context, Event], str]] = {
    "ghl": _apply_ghl,
    composing.SOURCE: _apply_composed,
}
