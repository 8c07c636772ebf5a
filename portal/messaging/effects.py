"""What a sender's webhook said, item by item, made into messages, receipts and notices."""

import logging
from collections.abc import Iterable
from contextlib import nullcontext

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.alerts import notices
from portal.alerts.notices import raise_alert
from portal.channels.base import ChannelEvent, Inbound, Line, Notice, Preference, Receipt, TemplateNotice, Unread
from portal.crypto import Vault
from portal.database import is_away, is_conflict
from portal.messaging import hints, lines, merging, optouts, pieces, segment_receipts, templates
from portal.messaging.chats import PERSONAL, peer_of
from portal.messaging.forward import Word, carry_forward
from portal.messaging.mirroring import EchoUnresolved
from portal.messaging.receipts import take_receipt
from portal.messaging.storable import storable
from portal.models import Event, Sender
from portal.queue.gates import sender_gate

log = logging.getLogger(__name__)

FAILED = "failed: "


def take(
    session: Session,
    sender: Sender,
    said: Iterable[ChannelEvent],
    event: Event,
    vault: Vault,
    *,
    piecewise: bool = False,
) -> list[str]:
    """Applies the items in their order; what became of each, in words.

    Raises `EchoUnresolved` when one of them has to wait. `piecewise`: an item that the portal fails on is left out,
    with a note that begins with `FAILED`, and costs none of the others.
    """
    effects: list[str] = []
    unread: list[Unread] = []
    for each in said:
        if isinstance(each, Unread):
            unread.append(each)
            continue
        try:
            with session.begin_nested() if piecewise else nullcontext():
                effects.append(_take(session, sender, each, event, vault))
        except EchoUnresolved:
            raise
        except Exception as error:
            if not piecewise or (isinstance(error, SQLAlchemyError) and (is_away(error) or is_conflict(error))):
                raise
            log.exception("an item of a webhook could not be applied", extra={"event": event.id})
            effects.append(f"{FAILED}the portal failed on one item ({type(error).__name__})")
    return [*effects, *([_unread(session, sender, unread, event)] if unread else [])]


def _take(session: Session, sender: Sender, said: ChannelEvent, event: Event, vault: Vault) -> str:
    if isinstance(said, Receipt):
        return _told(session, sender, said, event)
    if isinstance(said, Inbound):
        return pieces.take(session, sender, said, event, vault)
    if isinstance(said, Line):
        return lines.hint(session, sender, said)
    if isinstance(said, Notice):
        return lines.notice(session, sender, said)
    if isinstance(said, TemplateNotice):
        return templates.hint(session, sender, said)
    assert isinstance(said, Preference)
    return _prefer(session, sender, said, event)


def _told(session: Session, sender: Sender, receipt: Receipt, event: Event) -> str:
    uuid = ""
    # Where it is to be proved first, or is about a piece of the text alone, somebody has to look at all of it.
    if not hints.are_given_by(sender.channel) and not segment_receipts.are_given_by(sender.channel):
        [uuid] = carry_forward(session, [Word(sender.id, receipt, f"{sender.channel} receipt", event.id)])
    return f"{receipt.outcome.value} for message {uuid}" if uuid else take_receipt(session, sender, receipt, event.id)


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
