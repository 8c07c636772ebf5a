"""A customer's message: kept once, priced, put into its conversation and on its way into HighLevel."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Inbound
from portal.credits import ledger, pricing
from portal.crypto import Vault
from portal.database import insert
from portal.messaging import contacts, numbers, optouts
from portal.messaging.media import take_files
from portal.messaging.statuses import SENTENCES
from portal.messaging.storable import storable
from portal.models import Conversation, Direction, Event, Message, Sender, Status
from portal.models.base import new_uuid
from portal.queue.gates import ghl_gate
from portal.queue.jobs import GHL, enqueue, job

POST_PRIORITY = 10
# Providers' clocks and queues: an older or younger stamp is not believed.
OLDEST, YOUNGEST = timedelta(days=30), timedelta(hours=1)
REPEAT_WINDOW = timedelta(minutes=5)


def take_inbound(session: Session, sender: Sender, said: Inbound, event: Event, vault: Vault) -> str:
    """Writes one inbound message; returns what became of it in words. A repeat by its provider's id changes nothing."""
    kind, address = _address(sender, storable(said.sender))
    contact, conversation_id = contacts.for_address(session, sender.location_id, kind, address)
    if conversation_id is not None:
        conversation = session.get_one(Conversation, conversation_id, with_for_update=True)
    else:
        conversation = contacts.conversation(session, sender.location_id, contact.id)
    moment = clock.now()
    values = {
        "uuid": new_uuid(),
        "location_id": sender.location_id,
        "conversation_id": conversation.id,
        "event_id": event.id,
        "position": event.id,
        "direction": Direction.IN,
        "kind": said.kind,
        "body": storable(said.text),
        "attachments": [],
        "sender_id": sender.id,
        "sender_reason": "",
        "family": sender.family,
        "address": address,
        "external_id": storable(said.external_id, 200) or None,
        "possible_repeat": not said.external_id and _said_before(session, conversation, said.text),
        "status": Status.RECEIVED,
        "status_at": moment,
        "held": False,
        "reason": SENTENCES[Status.RECEIVED],
        "error_code": "",
        "priority": POST_PRIORITY,
        "user_id": "",
        "author": "",
        "bulk": "",
        "provider_id": "",
        "pushed_status": "",
        "push_failure": "",
        "echo_state": "",
        "credits": 0,
        "funded": False,
        "provider_at": _believed(event, said),
        "created_at": moment,
    }
    statement = insert(session, Message).values(**values).on_conflict_do_nothing().returning(Message.id)
    message_id = session.scalar(statement)
    if message_id is None:
        return "repeat of a known message"
    message = session.get_one(Message, message_id)
    take_files(session, vault, message, said.files)
    contacts.note_message(conversation, message, event.received_at)
    contacts.remember_route(session, conversation, sender, kind, address)
    optouts.notice(session, sender.location, sender.family, address, said.text)
    _charge(session, conversation, message)
    gate = ghl_gate(sender.location_id)
    row = job(GHL, "post_message", message.id, f"in:{conversation.id}", gate=gate, priority=POST_PRIORITY)
    enqueue(session, [row])
    return f"message {message.uuid}"


def _address(sender: Sender, raw: str) -> tuple[str, str]:
    number = numbers.normalise(raw, sender.location.country or None)
    if isinstance(number, numbers.Number):
        return contacts.PHONE, number.e164
    digits = raw.strip().removeprefix("+")
    if raw.strip().startswith("+") and digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15:
        return contacts.PHONE, f"+{digits}"
    # Banks and one-time codes write from names and short codes; they cannot be answered, but must be seen.
    return contacts.SENDER_ID, " ".join(raw.split())[:160] or "unknown"


def _said_before(session: Session, conversation: Conversation, text: str) -> bool:
    last = session.execute(
        select(Message.body, Message.created_at)
        .where(Message.conversation_id == conversation.id, Message.direction == Direction.IN)
        .order_by(Message.position.desc())
        .limit(1)
    ).first()
    return last is not None and last.body == text and last.created_at > clock.now() - REPEAT_WINDOW


def _believed(event: Event, said: Inbound) -> datetime:
    if said.at is None or not event.received_at - OLDEST <= said.at <= event.received_at + YOUNGEST:
        return event.received_at
    return said.at


def _charge(session: Session, conversation: Conversation, message: Message) -> None:
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    charged = session.scalar(
        select(func.count())
        .select_from(Message)
        .where(
            Message.conversation_id == conversation.id,
            Message.direction == Direction.IN,
            Message.created_at >= today,
            Message.credits > 0,
        )
    )
    if (charged or 0) >= pricing.INBOUND_A_DAY:
        return  # a stranger who keeps writing must not drain the tenant
    message.credits = pricing.price(message.family, message.kind, 1)
    wallet = ledger.wallet_of(session, message.location_id)
    ledger.write(session, [ledger.inbound(wallet, message.id, message.credits)])
