"""What a sender's webhook said, item by item, made into messages, receipts and notices."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from portal.alerts import notices
from portal.alerts.notices import raise_alert
from portal.channels.base import ChannelEvent, Inbound, Line, Notice, Preference, Receipt, TemplateNotice, Unread
from portal.crypto import Vault
from portal.messaging import lines, merging, optouts, templates
from portal.messaging.chats import PERSONAL, peer_of
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
        elif isinstance(each, TemplateNotice):
            effects.append(templates.hint(session, sender, each))
        elif isinstance(each, Preference):
            effects.append(_prefer(session, sender, each, event))
        elif isinstance(each, Unread):
            unread.append(each)
    return [*effects, *([_unread(session, sender, unread, event)] if unread else [])]


def _prefer(session: Session, sender: Sender, said: Preference, event: Event) -> str:
    """The person's addresses are learnt on the way, as with a message of theirs."""
    person = peer_of(sender, said.person)
    if person.kind not in PERSONAL:
        return "a preference of nobody that is known"
    others = [peer_of(sender, each) for each in said.same_as if each.value.strip()]
    merging.learn(session, sender, person, [each for each in others if each.kind in PERSONAL], event.id)
    return optouts.prefer(session, sender, said, event, person)


def _unread(session: Session, sender: Sender, items: list[Unread], event: Event) -> str:
    """Kept with the webhook, where a person finds them; one alert for the sender, however many there are."""
    first = storable(items[0].detail, 300)
    many = "1 item" if len(items) == 1 else f"{len(items)} items"
    text = f"{sender.name}: {many} of webhook {event.id} could not be read, the rest was taken. {first}"
    raise_alert(session, notices.UNREAD_ITEMS, sender_gate(sender.id), text, sender.location_id)
    return f"{many} could not be read ({first})"
