"""What a sender's webhook said, item by item, made into messages, receipts and notices."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from portal.alerts import notices
from portal.alerts.notices import raise_alert
from portal.channels.base import ChannelEvent, Inbound, Line, Notice, Receipt, Unread
from portal.crypto import Vault
from portal.messaging import lines
from portal.messaging.inbound import take_inbound
from portal.messaging.receipts import take_receipt
from portal.messaging.storable import storable
from portal.models import Event, Sender
from portal.queue.gates import sender_gate


def take(session: Session, sender: Sender, said: Iterable[ChannelEvent], event: Event, vault: Vault) -> list[str]:
    """Applies the items in their order; what became of each, in words.

    Raises `EchoUnresolved` when one of them has to wait.
    """
    effects, unread = [], []
    for each in said:
        if isinstance(each, Receipt):
            effects.append(take_receipt(session, sender, each, event.id))
        elif isinstance(each, Inbound):
            effects.append(take_inbound(session, sender, each, event, vault))
        elif isinstance(each, Line):
            effects.append(lines.hint(session, sender, each))
        elif isinstance(each, Notice):
            effects.append(lines.notice(session, sender, each))
        elif isinstance(each, Unread):
            unread.append(each)
    return [*effects, *([_unread(session, sender, unread, event)] if unread else [])]


def _unread(session: Session, sender: Sender, items: list[Unread], event: Event) -> str:
    """Kept with the webhook, where a person finds them; one alert for the sender, however many there are."""
    first = storable(items[0].detail, 300)
    many = "1 item" if len(items) == 1 else f"{len(items)} items"
    text = f"{sender.name}: {many} of webhook {event.id} could not be read, the rest was taken. {first}"
    raise_alert(session, notices.UNREAD_ITEMS, sender_gate(sender.id), text, sender.location_id)
    return f"{many} could not be read ({first})"
