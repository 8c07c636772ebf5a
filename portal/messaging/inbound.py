"""What a line received, or sent without us: kept once, put into its conversation and on its way into HighLevel."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.callbacks import outbox
from portal.channels.base import Inbound
from portal.channels.content import Kind, Peer
from portal.credits import ledger, pricing
from portal.crypto import Vault
from portal.database import insert
from portal.messaging import calls, contacts, mirroring, number_changes, optouts, reading, relations, windows
from portal.messaging.charges import price_of_inbound
from portal.messaging.chats import Chat, open_chat, peer_of
from portal.messaging.media import take_files
from portal.messaging.outbound import TO_BE_LOGGED
from portal.messaging.statuses import SENTENCES
from portal.messaging.storable import storable, storable_details
from portal.models import Conversation, Direction, Event, Message, Sender, Status
from portal.models.base import new_uuid

# Providers' clocks and queues: an older or younger stamp is not believed.
OLDEST, YOUNGEST = timedelta(days=30), timedelta(hours=1)
REPEAT_WINDOW = timedelta(minutes=5)


def take_inbound(session: Session, sender: Sender, said: Inbound, event: Event, vault: Vault) -> str:
    """Writes one message; returns what became of it in words. A repeat by its provider's id changes nothing.

    Raises `EchoUnresolved` while it may be a message that we are just sending.
    """
    if said.from_us and (known := mirroring.ours(session, sender, said, event)):
        return known
    chat = open_chat(session, sender, said, event)
    message = _write(session, sender, said, event, chat)
    if message is None:
        return calls.go_on(session, sender, said) if said.kind is Kind.CALL else "repeat of a known message"
    take_files(session, vault, message, said.files)
    contacts.note_message(chat.conversation, message, _moment(event, message))
    if not message.backfilled or chat.conversation.sticky_sender_id is None:
        held = number_changes.present(session, sender, Peer(chat.kind, chat.address), said)
        contacts.remember_route(session, chat.conversation, sender, held.kind, held.value)
    session.flush()
    relations.link(session, message)
    if said.from_us:
        mirroring.put_part(session, sender, message, said)
    elif not message.backfilled:
        windows.open_for(session, sender, message, chat.conversation.contact_id)
        optouts.notice(session, sender.location, message, chat.conversation.contact_id, chat.kind)
        _charge(session, sender, chat.conversation, message)
        reading.received(session, sender, message)
        outbox.note(session, outbox.Fact(outbox.RECEIVED, message.location_id, message.status_at, message.id))
    if not message.backfilled:
        calls.post(session, message)
    return f"message {message.uuid}"


def _write(session: Session, sender: Sender, said: Inbound, event: Event, chat: Chat) -> Message | None:
    """The new row, None when there is one with its id."""
    moment = clock.now()
    history = mirroring.is_history(sender, said.at, event.received_at)
    values = {
        "uuid": new_uuid(),
        "location_id": sender.location_id,
        "conversation_id": chat.conversation.id,
        "event_id": event.id,
        "position": event.id,
        "direction": Direction.IN,
        "sender_id": sender.id,
        "family": sender.family,
        "address": chat.address,
        "address_kind": chat.kind,
        "external_id": storable(said.external_id, 200) or None,
        "possible_repeat": not said.external_id and _said_before(session, chat.conversation, said.text),
        "status": Status.RECEIVED,
        "status_at": moment,
        "reason": SENTENCES[Status.RECEIVED],
        "priority": calls.POST_PRIORITY,
        "pushed_status": "",
        "backfilled": history,
        "provider_at": said.at if history else _believed(event, said),
        "created_at": moment,
        **_content(sender, said),
        **_told(session, sender, said, chat),
        **(_mirrored(said, history) if said.from_us else {}),
    }
    statement = insert(session, Message).values(**values).on_conflict_do_nothing().returning(Message.id)
    message_id = session.scalar(statement)
    return session.get_one(Message, message_id) if message_id is not None else None


def _content(sender: Sender, said: Inbound) -> dict[str, Any]:
    """What the message is, apart from where it belongs."""
    about, author = said.about, peer_of(sender, said.author) if said.author is not None else None
    return {
        "kind": said.kind,
        "body": storable(said.text),
        "attachments": [],
        "details": storable_details(said.details),
        "about_relation": about.relation if about is not None else "",
        "about_external_id": (storable(about.external_id, 200) or None) if about is not None else None,
        "about_text": storable(about.text) if about is not None else "",
        "author_name": author.name if author is not None else "",
        "author_address": author.value if author is not None else "",
        "marker": storable(said.code, 64),
    }


def _told(session: Session, sender: Sender, said: Inbound, chat: Chat) -> dict[str, Any]:
    """What only this portal can add to the details."""
    if said.kind is not Kind.SYSTEM:
        return {}
    return {"details": storable_details(number_changes.told(session, sender, said, chat.conversation.contact_id))}


def _mirrored(said: Inbound, history: bool) -> dict[str, Any]:
    """What is different about a message that went out without us: HighLevel has to be told of it."""
    return {
        "direction": Direction.OUT,
        "from_us": True,
        "by_api": said.by_api,
        "status": Status.SENT,
        "reason": mirroring.reason(said),
        "sender_reason": mirroring.reason(said),
        "pushed_status": "pending",
        "echo_state": "" if history else TO_BE_LOGGED,
    }


def _moment(event: Event, message: Message) -> datetime:
    """When it was said, for what counts from then on; old messages are no news."""
    return (message.provider_at if message.backfilled else None) or event.received_at


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


def _charge(session: Session, sender: Sender, conversation: Conversation, message: Message) -> None:
    cost = price_of_inbound(session, message, sender)
    if not cost:
        return
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
    message.credits = cost
    wallet = ledger.wallet_of(session, message.location_id)
    ledger.write(session, [ledger.inbound(wallet, message.id, message.credits)])
